-- Forgets events.
for i = taken + 1, #ARGV do call('XDEL', base .. 'outbox', ARGV[i]) end
return {request, epoch}
