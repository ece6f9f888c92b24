-- The blocks of a user.
return {request, epoch, call('GET', base .. 'blocks:' .. arg()) or '[]'}
