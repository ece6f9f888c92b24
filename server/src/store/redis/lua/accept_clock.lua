-- An operator confirms the clock of this server: nodes trust it as it is, and delete by it again.
call('HINCRBY', KEYS[1], 'accepted', 1)
call('HSET', KEYS[1], 'seen', text(server_time()))
return {request, epoch}
