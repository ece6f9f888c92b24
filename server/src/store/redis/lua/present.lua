-- The first users of a clan by their ids, with the number of their sessions, and how many there are.
local clan, at_most = arg(), number()
local users = {}
if at_most > 0 then
  for _, user in ipairs(call('ZRANGE', base .. 'present:' .. clan, 0, at_most - 1)) do
    local sum = 0
    for _, sessions in pairs((load_presence(clan, user))) do sum = sum + sessions end
    users[#users + 1] = user
    users[#users + 1] = sum
  end
end
return {request, epoch, call('ZCARD', base .. 'present:' .. clan), users}
