-- Returns the first users of a clan by their ids, with the number of their sessions, and how many users there are.
local users = {}
if max_users > 0 then
  for _, user in ipairs(call('ZRANGE', prefix .. 'present:' .. clan_id, 0, max_users - 1)) do
    local sum = 0
    for _, sessions in pairs((load_presence(clan_id, user))) do sum = sum + sessions end
    users[#users + 1] = user
    users[#users + 1] = sum
  end
end
return {request, epoch, call('ZCARD', prefix .. 'present:' .. clan_id), users}
