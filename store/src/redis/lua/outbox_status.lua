-- Returns how many events the outbox holds, and the time of the oldest.
local oldest = call('XRANGE', prefix .. 'outbox', '-', '+', 'COUNT', 1)[1]
return {request, epoch, call('XLEN', prefix .. 'outbox'), oldest and oldest[2][8] or ''}
