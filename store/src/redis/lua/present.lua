-- Returns the first users of a topic by their ids, with the number of their sessions and their data (empty without any), and
-- how many users there are.
local _, sorted, data = presence_keys(topic)
local users = {}
if max_users > 0 then
  local has_data = call('EXISTS', data) == 1
  for _, user in ipairs(call('ZRANGE', sorted, 0, max_users - 1)) do
    local sum = 0
    for _, sessions in pairs((load_presence(topic, user))) do sum = sum + sessions end
    users[#users + 1] = user
    users[#users + 1] = sum
    users[#users + 1] = has_data and call('HGET', data, user) or ''
  end
end
return {request, epoch, call('ZCARD', sorted), users}
