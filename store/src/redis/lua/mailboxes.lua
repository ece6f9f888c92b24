-- A stream `inbox` per incarnation of a node: its mailbox, with control messages of other nodes.
local MAX_MESSAGES = '100000'
-- Puts a control message into the mailbox of a node whose lease has not expired, and announces it. The announcement may
-- fail: if it is lost, or if the Redis user may not publish, the node reads the message with its next reconciliation.
local function post(incarnation, version, message)
  if call('PTTL', prefix .. 'lease:' .. incarnation) <= 0 then return end
  local id =
    call('XADD', prefix .. 'inbox:' .. incarnation, 'MAXLEN', '~', MAX_MESSAGES, '*', 'v', version, 'n', message)
  redis.pcall('PUBLISH', prefix .. database .. 'node:' .. incarnation, 'C ' .. id .. ' ' .. version .. ' ' .. message)
end
