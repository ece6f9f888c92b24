-- Returns the server-side subscriptions of a user.
return {request, epoch, call('GET', prefix .. 'subscriptions:' .. user_id) or '[]'}
