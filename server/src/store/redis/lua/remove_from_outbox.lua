-- Forgets events.
for i = 1, #ARGV do call('XDEL', base .. 'outbox', ARGV[i]) end
return {1, epoch}
