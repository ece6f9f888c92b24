-- Deletes dead letters, or makes them waiting events again if `since` has a time. Returns how many there were.
local count = 0
for id in ids() do
  local f = take_dead(id)
  if f then
    count = count + 1
    if since ~= '' then
      call('XADD', prefix .. 'webhook:' .. webhook, '*', f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10],
        f[11], f[12], f[13], f[14], 's', since)
    end
  end
end
return {request, epoch, count}
