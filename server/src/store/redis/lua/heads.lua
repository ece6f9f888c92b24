-- The ends of logs and of users' notifications.
local now = moment()
local ends = {}
for i = taken + 1, #ARGV do
  local topic = ARGV[i]
  local user = string.match(topic, '^user:(.*)$')
  if user then
    ends[#ends + 1] = tonumber(call('HGET', base .. 'user:' .. user, 'h') or 0)
    ends[#ends + 1] = 1
  else
    local log = open_log(topic)
    ends[#ends + 1] = log.head
    ends[#ends + 1] = floor_at(log, now)
  end
end
return {request, epoch, ends}
