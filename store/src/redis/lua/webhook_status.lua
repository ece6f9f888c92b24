-- Returns how many events of a webhook wait, and how many are dead letters.
return {request, epoch, call('XLEN', prefix .. 'webhook:' .. webhook), call('XLEN', prefix .. 'webhook_dead:' .. webhook)}
