-- Presence: per clan a hash `clan` of users (`<incarnation> <sessions>`, one after the other, for each node that has
-- some) and a sorted set `present` of the same users, in the order of their ids.
local function load_presence(clan, user)
  local row = call('HGET', prefix .. 'clan:' .. clan, user)
  local nodes = {}
  if row then
    for incarnation, sessions in string.gmatch(row, '(%S+) (%d+)') do nodes[incarnation] = tonumber(sessions) end
  end
  return nodes, row and true or false
end
-- Writes the sessions of a user on each node, and returns whether the user is present on any node.
local function save_presence(clan, user, nodes, was_present)
  local row = {}
  for incarnation, sessions in pairs(nodes) do row[#row + 1] = incarnation .. ' ' .. text(sessions) end
  if #row == 0 then
    if was_present then
      call('HDEL', prefix .. 'clan:' .. clan, user)
      call('ZREM', prefix .. 'present:' .. clan, user)
    end
    return false
  end
  table.sort(row)
  call('HSET', prefix .. 'clan:' .. clan, user, table.concat(row, ' '))
  if not was_present then call('ZADD', prefix .. 'present:' .. clan, 0, user) end
  return true
end
