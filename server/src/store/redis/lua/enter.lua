-- The first step on every connection: notes which life of the server this is, and gives the store a new epoch when
-- another life may have lost what was confirmed. `durable` says that the URL names one server which has every write on
-- its disk before it is answered.
local run, durable, new, format = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local row = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'durable', 'format')
if row[4] and tonumber(row[4]) > tonumber(format) then return {'newer', row[4], 0} end
local epoch, outcome = row[1], 'same'
if not epoch then
  epoch, outcome = new, 'first'
elseif row[2] ~= run and not (row[3] == '1' and durable == '1') then
  epoch, outcome = new, 'lost'
end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run, 'durable', durable, 'format', format)
return {outcome, epoch}
