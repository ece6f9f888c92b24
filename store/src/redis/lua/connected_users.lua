-- Returns users who have sessions, with the number of their sessions, and whether there are more.
local found =
  call('ZRANGEBYLEX', prefix .. 'connected', after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, max_users + 1)
local users = {}
for i = 1, math.min(#found, max_users) do
  users[#users + 1] = found[i]
  users[#users + 1] = #load_sessions(found[i])
end
return {request, epoch, #found > max_users and 1 or 0, users}
