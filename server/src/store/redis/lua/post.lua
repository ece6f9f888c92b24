-- Puts a note into the inboxes of a node's lives: there is more than one only while a restart is noticed.
local id, version, note = arg(), arg(), arg()
local nodes = call('HGETALL', base .. 'nodes')
for i = 1, #nodes, 2 do
  if nodes[i + 1] ~= '' and cjson.decode(nodes[i + 1]).id == id then post(nodes[i], version, note) end
end
return {request, epoch}
