-- Renews a node's lease, reads its mailbox (`inbox`), and reads the counters of shards.
local held = call('GET', prefix .. 'lease:' .. incarnation) == epoch
call('SET', prefix .. 'lease:' .. incarnation, epoch, 'PX', lease)
call('HSET', prefix .. 'nodes', incarnation, record)
local mailbox = prefix .. 'inbox:' .. incarnation
-- If the lease was lost, nothing is trimmed: the position may belong to another epoch, so the mailbox is read from its
-- beginning.
if held then call('XTRIM', mailbox, 'MINID', read) end
local messages = {}
for _, row in ipairs(call('XRANGE', mailbox, '-', '+', 'COUNT', 1000)) do
  messages[#messages + 1] = row[1]
  messages[#messages + 1] = row[2][2]
  messages[#messages + 1] = row[2][4]
end
local counts = {}
for shard in shards() do counts[#counts + 1] = tonumber(call('HGET', prefix .. 'shards', shard) or 0) end
local block_revision = tonumber(call('GET', prefix .. 'blocks_revision') or 0)
local accepted = tonumber(call('HGET', KEYS[1], 'accepted') or 0)
return {request, epoch, held and 1 or 0, call('ZCARD', prefix .. 'expiries'), messages, counts, server_time(), accepted,
  block_revision}
