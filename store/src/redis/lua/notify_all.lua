-- Stores a notification for several users. `shared_body` names the body that their entries refer to; it is empty when each
-- entry has its own body. A caller sends a shared body once. If it is missing later, nothing is stored, and the reply
-- requests the body again.
if expected_epoch ~= epoch then return {-request, epoch} end
-- The script holds a reference to the body while it runs, so that dropping an older notification does not remove the body.
local is_held = shared_body ~= '' and has_body(shared_body)
if not is_held and not body_is_sent then return {request, epoch, 1, 0, total_pending(), {}} end
if is_held then hold_body(shared_body) end
local function add(stream, entry, at)
  if shared_body == '' then
    call('XADD', stream, entry, 't', at, 'x', expires, 'i', id, 'b', body)
    return
  end
  if not is_held then
    write_body(shared_body, id, body, expires)
    hold_body(shared_body)
    is_held = true
  end
  hold_body(shared_body)
  call('XADD', stream, entry, 't', at, 'x', expires, shared_body, id)
end
local new = {
  now = now, window = window, kept_for = kept_for, id = id, content = content, expires = expires, escalate_at = escalate_at,
  max_pending = max_pending,
}
local results = {}
-- A shared body may be large, so it is not announced for each recipient. The nodes of the recipients read it.
local announced_body = shared_body == '' and body or nil
for recipient in recipients() do
  -- A recipient has the fields of the event that reports what is dropped.
  local offset, duplicate, count, dropped = store(
    new, recipient.user, recipient.shard, recipient.is_subscribed == '1', recipient, announced_body, add
  )
  for _, value in ipairs({offset, duplicate, count, dropped}) do results[#results + 1] = value end
end
if is_held then release_body(shared_body) end
return {request, epoch, 0, overflowed, total_pending(), results}
