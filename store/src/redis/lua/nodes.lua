-- Returns the records of the nodes whose leases have not expired.
local nodes, found = call('HGETALL', prefix .. 'nodes'), {}
for i = 1, #nodes, 2 do
  if nodes[i + 1] ~= '' and call('EXISTS', prefix .. 'lease:' .. nodes[i]) == 1 then found[#found + 1] = nodes[i + 1] end
end
return {request, epoch, found}
