-- Returns how many notifications of a user are pending. They are counted one by one only if some may have expired.
local user = open_user(user_id, now)
if user.soonest > now then return {request, epoch, call('XLEN', user.pending)} end
local count = 0
for _, row in ipairs(call('XRANGE', user.pending, '-', '+')) do
  if tonumber(row[2][4]) > now then count = count + 1 end
end
return {request, epoch, count}
