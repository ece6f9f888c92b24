-- Stores a notification, unless one with its id is pending or came within the window. With the id stands what it says,
-- as a digest of hexadecimal digits: another notification with the same id is a conflict.
local believed, name, shard, now, window, keep = arg(), arg(), arg(), moment(), number(), arg()
local id, content, body, expires, max_pending = arg(), arg(), arg(), arg(), number()
local event_id, event_key, event_at, event_body = arg(), arg(), arg(), arg()
if believed ~= epoch then return {-request, epoch} end
local at = text(now)
local user = open_user(name, now)
user.count = user.count or call('XLEN', user.pending)
local known = call('GET', notified(user, id))
if known then
  local offset, first_at, first_content = string.match(known, '^(%d+) (%d+) ?(%x*)$')
  local fields = at_offset(user, offset)
  if (fields and tonumber(fields[4]) > now) or tonumber(first_at) + window > now then
    if is_conflict(first_content, content) then return {request, epoch, CONFLICT} end
    local count = call('HGET', base .. 'shards', shard) or 0
    return {request, epoch, tonumber(offset), 1, tonumber(count), 0, total(), {}}
  end
end
local dropped = {}
local count = call('XLEN', user.pending)
if count == 0 then user.soonest = tonumber(expires) end
if count >= max_pending and user.soonest <= now then
  local soonest = tonumber(expires)
  for _, row in ipairs(call('XRANGE', user.pending, '-', '+')) do
    local ends = tonumber(row[2][4])
    if ends <= now then
      remove(user, string.match(row[1], '^%d+'), row[2], now, window)
    elseif ends < soonest then
      soonest = ends
    end
  end
  user.soonest = soonest
end
while call('XLEN', user.pending) >= max_pending do
  local oldest = call('XRANGE', user.pending, '-', '+', 'COUNT', 1)[1]
  if not oldest then break end
  remove(user, string.match(oldest[1], '^%d+'), oldest[2], now, window)
  dropped[#dropped + 1] = oldest[2][6]
end
local head = text(user.head + 1)
call('XADD', user.pending, head .. '-0', 't', at, 'x', expires, 'i', id, 'b', body)
call('SET', notified(user, id), head .. ' ' .. at .. ' ' .. content, 'PX', keep)
call('HSET', user.row, 'h', head, 's', text(math.min(user.soonest, tonumber(expires))), 'c', text(user.count + 1))
keep_mark('user:' .. name, user.row, user.mark, user.head + 1)
call('ZADD', base .. 'expiries', expires, head .. ' ' .. name)
local raised = call('HINCRBY', base .. 'shards', shard, 1)
if #dropped > 0 and event_id ~= '' then
  report(event_id, event_key, event_at, event_body, 'notifications', cjson.encode(dropped))
end
return {request, epoch, user.head + 1, 0, raised, overflowed, total(), dropped}
