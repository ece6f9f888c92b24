-- Removes notifications, and returns which of them were pending.
local user = open_user(user_id, now)
local acknowledged = {}
for id in ids() do
  local known = call('GET', notified(user, id))
  local offset = known and string.match(known, '^%d+')
  local fields = offset and at_offset(user, offset)
  if fields then
    remove(user, offset, fields, now, window)
    if tonumber(fields[4]) > now then acknowledged[#acknowledged + 1] = id end
  end
end
drop_if_empty(user)
if #acknowledged > 0 and event_id ~= '' then
  report(event_id, event_key, event_at, event_body, 'notifications', cjson.encode(acknowledged), event_source)
end
return {request, epoch, overflowed, total_pending(), acknowledged}
