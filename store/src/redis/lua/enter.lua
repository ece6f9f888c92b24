-- The first script on every connection. It writes which run of the server this is, and begins a new epoch if an earlier run
-- may have lost confirmed entries. `durable` is 1 if the URL names one server, which has every write on its disk before it
-- replies.
local row = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'durable', 'format')
if row[4] and tonumber(row[4]) > tonumber(format) then return {'newer', row[4], 0} end
local epoch, outcome = row[1], 'same'
if not epoch then
  epoch, outcome = new_epoch, 'first'
elseif row[2] ~= run and not (row[3] == '1' and durable == '1') then
  epoch, outcome = new_epoch, 'lost'
end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run, 'durable', durable, 'format', format)
return {outcome, epoch}
