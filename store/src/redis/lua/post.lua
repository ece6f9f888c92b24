-- Puts a control message into the mailboxes of a node. A node has a mailbox for each incarnation; it has several only after
-- a restart, until the lease of the old one ends.
local nodes = call('HGETALL', prefix .. 'nodes')
for i = 1, #nodes, 2 do
  if nodes[i + 1] ~= '' and cjson.decode(nodes[i + 1]).id == node_id then post(nodes[i], version, message) end
end
return {request, epoch}
