-- Releases the leases of a node. Other nodes remove the sessions and presence that it still has.
call('DEL', prefix .. 'lease:' .. incarnation, prefix .. 'inbox:' .. incarnation)
if call('GET', prefix .. 'publisher') == incarnation then call('DEL', prefix .. 'publisher') end
if call('EXISTS', prefix .. 'held:' .. incarnation) == 0 then call('HDEL', prefix .. 'nodes', incarnation) end
return {request, epoch}
