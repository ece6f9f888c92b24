-- The oldest events after an id.
local after, at_most = arg(), arg()
return {request, epoch, call('XRANGE', base .. 'outbox', '(' .. after, '+', 'COUNT', at_most)}
