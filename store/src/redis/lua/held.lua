-- A set `held` per incarnation of a node lists what has to be removed after the node stopped: `s <session> <user>` for a
-- session, `p <clan> <user>` for presence in a clan, `t <topic> <user>` for presence in a topic of a service.
local function hold(incarnation, member)
  call('SADD', prefix .. 'held:' .. incarnation, member)
  -- A node that stops before its first reconciliation must be found too, so it gets an empty record.
  call('HSETNX', prefix .. 'nodes', incarnation, '')
end
