-- Presence: per clan a hash `clan` of users (`<incarnation> <sessions>`, one after the other, for each node that has
-- some) and a sorted set `present` of the same users, in the order of their ids.
local function load_presence(clan, user)
  local row = call('HGET', base .. 'clan:' .. clan, user)
  local nodes = {}
  if row then
    for incarnation, sessions in string.gmatch(row, '(%S+) (%d+)') do nodes[incarnation] = tonumber(sessions) end
  end
  return nodes, row and true or false
end
-- Writes it back, and tells whether the user is anywhere.
local function save_presence(clan, user, nodes, was)
  local row = {}
  for incarnation, sessions in pairs(nodes) do row[#row + 1] = incarnation .. ' ' .. text(sessions) end
  if #row == 0 then
    if was then
      call('HDEL', base .. 'clan:' .. clan, user)
      call('ZREM', base .. 'present:' .. clan, user)
    end
    return false
  end
  table.sort(row)
  call('HSET', base .. 'clan:' .. clan, user, table.concat(row, ' '))
  if not was then call('ZADD', base .. 'present:' .. clan, 0, user) end
  return true
end
