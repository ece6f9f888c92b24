-- The sessions of a user, oldest first.
return {1, epoch, call('GET', base .. 'sessions:' .. arg()) or '[]'}
