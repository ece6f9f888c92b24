-- Records that an operator has confirmed the clock of this server. Nodes then trust it, and sweep by it again.
call('HINCRBY', KEYS[1], 'accepted', 1)
call('HSET', KEYS[1], 'seen', text(server_time()))
return {request, epoch}
