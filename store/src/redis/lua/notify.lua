-- Stores a notification. The event reports the notifications that it drops.
local event = {event_id = event_id, event_key = event_key, event_at = event_at, event_body = event_body,
  event_source = event_source}
if expected_epoch ~= epoch then return {-request, epoch} end
local new = {
  now = now, window = window, kept_for = kept_for, id = id, content = content, expires = expires, escalate_at = escalate_at,
  max_pending = max_pending,
}
local offset, duplicate, count, dropped = store(new, user_id, shard, announcer_is_subscribed, event, body, function(stream, entry, at)
  call('XADD', stream, entry, 't', at, 'x', expires, 'i', id, 'b', body)
end)
return {request, epoch, offset, duplicate, count, overflowed, total_pending(), dropped}
