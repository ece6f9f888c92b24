-- Stores a notification for several users. `shared` names the body that their entries refer to; it is empty when each
-- entry has a body of its own. A caller that has sent a shared body before sends it again only if it is gone: then
-- nothing is stored, and the reply asks for the body.
local believed, now, window, keep = arg(), moment(), number(), arg()
local id, content, expires, max_pending = arg(), arg(), arg(), number()
local shared, body_is_sent, body = arg(), arg() == '1', arg()
if believed ~= epoch then return {-request, epoch} end
-- While the script runs, it holds the body itself, so that no notification that makes room removes it.
local is_held = shared ~= '' and has_body(shared)
if not is_held and not body_is_sent then return {request, epoch, 1, 0, total(), {}} end
if is_held then hold_body(shared) end
local function add(stream, entry, at)
  if shared == '' then
    call('XADD', stream, entry, 't', at, 'x', expires, 'i', id, 'b', body)
    return
  end
  if not is_held then
    write_body(shared, id, body, expires)
    hold_body(shared)
    is_held = true
  end
  hold_body(shared)
  call('XADD', stream, entry, 't', at, 'x', expires, shared, id)
end
local new = {
  now = now, window = window, keep = keep, id = id, content = content, expires = expires, max_pending = max_pending,
}
local results = {}
while taken < #ARGV do
  local name, shard, event = arg(), arg(), {id = arg(), key = arg(), at = arg(), body = arg()}
  local offset, duplicate, count, dropped = store(new, name, shard, event, add)
  for _, value in ipairs({offset, duplicate, count, dropped}) do results[#results + 1] = value end
end
if is_held then release_body(shared) end
return {request, epoch, 0, overflowed, total(), results}
