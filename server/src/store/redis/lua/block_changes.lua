-- The users whose blocks changed after a revision, in the order of the changes, and the revision of the last change.
local after, at_most = arg(), number()
local found = call('ZRANGEBYSCORE', base .. 'blocks_changed', '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, at_most + 1)
local revision, more = tonumber(call('GET', base .. 'blocks_revision') or 0), 0
if #found > 2 * at_most then
  more = 1
  revision = tonumber(found[2 * at_most])
end
local users = {}
for i = 1, math.min(#found, 2 * at_most), 2 do
  users[#users + 1] = found[i]
  users[#users + 1] = call('GET', base .. 'blocks:' .. found[i]) or '[]'
end
return {request, epoch, revision, more, users}
