-- Gives a node's leases back. What it still holds is removed by others.
local own = arg()
call('DEL', base .. 'lease:' .. own, base .. 'inbox:' .. own)
if call('GET', base .. 'publisher') == own then call('DEL', base .. 'publisher') end
if call('EXISTS', base .. 'held:' .. own) == 0 then call('HDEL', base .. 'nodes', own) end
return {request, epoch}
