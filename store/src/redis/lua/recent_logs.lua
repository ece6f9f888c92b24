-- Looks at some logs, and returns the topics of those whose newest entry was accepted at or after `since`. The index of ages
-- has every log with entries.
local reply = call('ZSCAN', prefix .. 'ages', cursor, 'COUNT', 500)
local topics = {}
for i = 1, #reply[2], 2 do
  local topic = reply[2][i]
  local newest = call('XREVRANGE', prefix .. 'entries:' .. topic, '+', '-', 'COUNT', 1)[1]
  if newest and tonumber(newest[2][2]) >= since then topics[#topics + 1] = topic end
end
return {request, epoch, reply[1], topics}
