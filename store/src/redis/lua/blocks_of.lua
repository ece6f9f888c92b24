-- Returns the blocks of a user.
return {request, epoch, call('GET', prefix .. 'blocks:' .. user_id) or '[]'}
