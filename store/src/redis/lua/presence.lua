-- Presence: per topic a hash of users (`<incarnation> <sessions>`, one after the other, for each node that has some), a
-- sorted set of the same users, in the order of their ids, and a hash with the data of those who have some.
-- The names for a clan are those of earlier releases, so that nodes of both work together.
local function presence_keys(topic)
  local clan = string.match(topic, '^clan:(.*)$')
  if clan then return prefix .. 'clan:' .. clan, prefix .. 'present:' .. clan, prefix .. 'presence_data:' .. topic end
  return prefix .. 'users:' .. topic, prefix .. 'sorted_users:' .. topic, prefix .. 'presence_data:' .. topic
end
local function load_presence(topic, user)
  local row = call('HGET', (presence_keys(topic)), user)
  local nodes = {}
  if row then
    for incarnation, sessions in string.gmatch(row, '(%S+) (%d+)') do nodes[incarnation] = tonumber(sessions) end
  end
  return nodes, row and true or false
end
-- Writes the sessions of a user on each node, and returns whether the user is present on any node.
local function save_presence(topic, user, nodes, was_present)
  local row = {}
  for incarnation, sessions in pairs(nodes) do row[#row + 1] = incarnation .. ' ' .. text(sessions) end
  local users, sorted, data = presence_keys(topic)
  if #row == 0 then
    if was_present then
      call('HDEL', users, user)
      call('ZREM', sorted, user)
      call('HDEL', data, user)
    end
    return false
  end
  table.sort(row)
  call('HSET', users, user, table.concat(row, ' '))
  if not was_present then call('ZADD', sorted, 0, user) end
  return true
end
-- What `held` lists for the presence of a user in a topic.
local function held_presence(topic, user)
  local clan = string.match(topic, '^clan:(.*)$')
  return clan and 'p ' .. clan .. ' ' .. user or 't ' .. topic .. ' ' .. user
end
