-- Returns the oldest events after an id.
return {request, epoch, call('XRANGE', prefix .. 'outbox', '(' .. after, '+', 'COUNT', max_events)}
