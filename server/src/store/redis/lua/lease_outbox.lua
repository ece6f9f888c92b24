-- Takes or renews the lease of the outbox.
local own, lease = arg(), arg()
local holder = call('GET', base .. 'publisher')
if holder and holder ~= own then return {request, epoch, 0} end
call('SET', base .. 'publisher', own, 'PX', lease)
return {request, epoch, 1}
