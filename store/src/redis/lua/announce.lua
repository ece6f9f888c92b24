-- Announces entries and control messages to other nodes over Pub/Sub (`cluster/messages.rs` has the texts). An announcement
-- is a hint. Therefore nothing here fails the script: a user without the permission to publish, for example, only makes
-- other nodes learn of an entry with their next reconciliation. Pub/Sub has no databases, so the names of channels contain
-- the database of the store (`database`).
local MAX_BODY = 65536
-- Announces an entry of a topic. Without a body, or with a large one, the others have to read the entry. `is_subscribed`
-- says whether this node itself receives the channel: then it announces nothing if it is the only one.
local function announce(topic, shard, is_subscribed, count, offset, at, body)
  local channel = prefix .. database .. 'shard:' .. shard
  if is_subscribed then
    local found = redis.pcall('PUBSUB', 'NUMSUB', channel)[2]
    if found and tonumber(found) < 2 then return end
  end
  local place = ' ' .. announcer .. ' ' .. epoch .. ' ' .. topic .. ' ' .. text(count) .. ' ' .. offset
  if body and #body <= MAX_BODY then
    redis.pcall('PUBLISH', channel, 'E' .. place .. ' ' .. at .. ' ' .. body)
  else
    redis.pcall('PUBLISH', channel, 'O' .. place)
  end
end
