-- Removes notifications, and tells which of them were pending.
local name, now, window = arg(), moment(), number()
local event_id, event_key, event_at, event_body = arg(), arg(), arg(), arg()
local user = open_user(name, now)
local acknowledged = {}
for i = taken + 1, #ARGV do
  local known = call('GET', notified(user, ARGV[i]))
  local offset = known and string.match(known, '^%d+')
  local fields = offset and at_offset(user, offset)
  if fields then
    remove(user, offset, fields, now, window)
    if tonumber(fields[4]) > now then acknowledged[#acknowledged + 1] = ARGV[i] end
  end
end
drop_if_empty(user)
if #acknowledged > 0 and event_id ~= '' then
  report(event_id, event_key, event_at, event_body, 'notifications', cjson.encode(acknowledged))
end
return {request, epoch, overflowed, total(), acknowledged}
