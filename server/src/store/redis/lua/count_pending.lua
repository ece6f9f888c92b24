-- How many notifications of a user are pending: counted only when some may have ended.
local name, now = arg(), moment()
local user = open_user(name, now)
if user.soonest > now then return {request, epoch, call('XLEN', user.pending)} end
local count = 0
for _, row in ipairs(call('XRANGE', user.pending, '-', '+')) do
  if tonumber(row[2][4]) > now then count = count + 1 end
end
return {request, epoch, count}
