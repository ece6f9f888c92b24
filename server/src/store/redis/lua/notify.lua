-- Stores a notification.
local believed, name, shard, now, window, keep = arg(), arg(), arg(), moment(), number(), arg()
local id, content, body, expires, max_pending = arg(), arg(), arg(), arg(), number()
local event = {id = arg(), key = arg(), at = arg(), body = arg()}
if believed ~= epoch then return {-request, epoch} end
local new = {
  now = now, window = window, keep = keep, id = id, content = content, expires = expires, max_pending = max_pending,
}
local offset, duplicate, count, dropped = store(new, name, shard, event, function(stream, entry, at)
  call('XADD', stream, entry, 't', at, 'x', expires, 'i', id, 'b', body)
end)
return {request, epoch, offset, duplicate, count, overflowed, total(), dropped}
