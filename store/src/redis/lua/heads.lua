-- Reads the bounds of logs and of users' notifications: the head, the first offset that is present, and the first offset
-- that should be present.
local ends = {}
for topic in topics() do
  local user = string.match(topic, '^user:(.*)$')
  if user then
    ends[#ends + 1] = open_user(user, now).head
    ends[#ends + 1] = 1
    ends[#ends + 1] = 1
  else
    local log = open_log(topic)
    ends[#ends + 1] = log.head
    local floor = floor_at(log, now)
    ends[#ends + 1] = present_floor(log, floor)
    ends[#ends + 1] = log.is_gone and 1 or floor
  end
end
return {request, epoch, ends}
