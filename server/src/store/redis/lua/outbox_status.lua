-- How many events wait, and when the oldest of them happened.
local oldest = call('XRANGE', base .. 'outbox', '-', '+', 'COUNT', 1)[1]
return {request, epoch, call('XLEN', base .. 'outbox'), oldest and oldest[2][8] or ''}
