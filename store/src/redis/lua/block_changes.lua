-- Returns the users whose blocks changed after a revision, in the order of the changes, and the revision of the last
-- change.
local found = call('ZRANGEBYSCORE', prefix .. 'blocks_changed', '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, max_users + 1)
local revision, more = tonumber(call('GET', prefix .. 'blocks_revision') or 0), 0
if #found > 2 * max_users then
  more = 1
  revision = tonumber(found[2 * max_users])
end
local users = {}
for i = 1, math.min(#found, 2 * max_users), 2 do
  users[#users + 1] = found[i]
  users[#users + 1] = call('GET', prefix .. 'blocks:' .. found[i]) or '[]'
end
return {request, epoch, revision, more, users}
