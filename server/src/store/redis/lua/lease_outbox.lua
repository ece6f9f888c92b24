-- Takes or renews the lease of the outbox.
local own, lease = arg(), arg()
local holder = call('GET', base .. 'publisher')
if holder and holder ~= own then return {1, epoch, 0} end
call('SET', base .. 'publisher', own, 'PX', lease)
return {1, epoch, 1}
