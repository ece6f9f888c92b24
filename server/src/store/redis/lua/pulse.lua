-- Renews a node's lease, takes what is in its inbox, and reads the counters of shards.
local own, lease, record, read = arg(), arg(), arg(), arg()
local held = call('GET', base .. 'lease:' .. own) == epoch
call('SET', base .. 'lease:' .. own, epoch, 'PX', lease)
call('HSET', base .. 'nodes', own, record)
local inbox = base .. 'inbox:' .. own
-- After a break it is read from its beginning: what was read before may have been about another life of the store.
if held then call('XTRIM', inbox, 'MINID', read) end
local notes = {}
for _, row in ipairs(call('XRANGE', inbox, '-', '+', 'COUNT', 1000)) do
  notes[#notes + 1] = row[1]
  notes[#notes + 1] = row[2][2]
  notes[#notes + 1] = row[2][4]
end
local counts = {}
for i = taken + 1, #ARGV do counts[#counts + 1] = tonumber(call('HGET', base .. 'shards', ARGV[i]) or 0) end
local block_revision = tonumber(call('GET', base .. 'blocks_revision') or 0)
local accepted = tonumber(call('HGET', KEYS[1], 'accepted') or 0)
return {request, epoch, held and 1 or 0, call('ZCARD', base .. 'expiries'), notes, counts, server_time(), accepted,
  block_revision}
