-- The nodes whose leases hold.
local nodes, found = call('HGETALL', base .. 'nodes'), {}
for i = 1, #nodes, 2 do
  if nodes[i + 1] ~= '' and call('EXISTS', base .. 'lease:' .. nodes[i]) == 1 then found[#found + 1] = nodes[i + 1] end
end
return {request, epoch, found}
