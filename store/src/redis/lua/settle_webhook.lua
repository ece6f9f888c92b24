-- Removes waiting events, and keeps those with a reason as dead letters. Returns how many older dead letters were deleted.
local waiting, attempts = prefix .. 'webhook:' .. webhook, prefix .. 'webhook_attempts:' .. webhook
for event in events() do
  local row = event.reason ~= '' and call('XRANGE', waiting, event.id, event.id)[1]
  call('XDEL', waiting, event.id)
  call('HDEL', attempts, event.id)
  if row then
    local f = row[2]
    take_dead(f[4])
    local added = call('XADD', dead, '*', f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11], f[12],
      f[13], f[14], 'r', event.reason, 'c', event.attempts, 'f', at)
    call('HSET', dead_ids, f[4], added)
  end
end
-- Nodes of an earlier version leave rows here.
if call('XLEN', waiting) == 0 then call('DEL', attempts) end
local deleted = 0
while call('XLEN', dead) > max_dead do
  local oldest = call('XRANGE', dead, '-', '+', 'COUNT', 1)[1]
  call('XDEL', dead, oldest[1])
  call('HDEL', dead_ids, oldest[2][4])
  deleted = deleted + 1
end
return {request, epoch, deleted}
