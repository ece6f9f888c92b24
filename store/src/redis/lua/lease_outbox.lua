-- Takes or renews the lease of the outbox.
local holder = call('GET', prefix .. 'publisher')
if holder and holder ~= incarnation then return {request, epoch, 0} end
call('SET', prefix .. 'publisher', incarnation, 'PX', lease)
return {request, epoch, 1}
