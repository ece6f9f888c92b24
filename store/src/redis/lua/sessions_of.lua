-- Returns the sessions of a user, oldest first.
return {request, epoch, call('GET', prefix .. 'sessions:' .. user_id) or '[]'}
