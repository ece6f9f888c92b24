-- The sessions of a user, oldest first.
return {request, epoch, call('GET', base .. 'sessions:' .. arg()) or '[]'}
