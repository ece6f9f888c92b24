-- Takes or renews the lease of a webhook.
local key = prefix .. 'webhook_sender:' .. webhook
local holder = call('GET', key)
if holder and holder ~= incarnation then return {request, epoch, 0} end
call('SET', key, incarnation, 'PX', lease)
return {request, epoch, 1}
