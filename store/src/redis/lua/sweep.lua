-- Removes a bounded number of expired rows. Several nodes may do it at the same time.
--
-- The clock of this server decides, unless it has jumped. `expected_time` is the time that the calling node expects, by
-- the monotonic clock of its machine. A node that has never swept (`has_swept` is false) knows the clock only since its
-- start: it may sweep if another node did so recently, or if no other node is alive and the last sweep is less than a day
-- ago.
local RECENTLY, DAY = 60000, 86400000
local rows = max_rows
local function others_live()
  for _, other in ipairs(call('HKEYS', prefix .. 'nodes')) do
    if other ~= incarnation and call('EXISTS', prefix .. 'lease:' .. other) == 1 then return true end
  end
  return false
end
if expected_time ~= '' then
  local seen = tonumber(call('HGET', KEYS[1], 'seen') or now)
  local refused = math.abs(now - tonumber(expected_time)) > TOLERANCE
  if not refused and not has_swept then
    refused = now + TOLERANCE < seen or now - seen > DAY or (now - seen > RECENTLY and others_live())
  end
  if refused then return {request, epoch, 0, 0, 0, total_pending(), 1} end
  call('HSET', KEYS[1], 'seen', text(now))
end
local entries, expired = 0, 0
while rows > 0 do
  local topic = call('ZRANGEBYSCORE', prefix .. 'ages', '-inf', now, 'LIMIT', 0, 1)[1]
  if not topic then break end
  local log = open_log(topic)
  -- The retention is lost with the hash; the next append sets it, and adds the log to the index again.
  local new_floor = log.restored and log.floor or first_within_age(log, now)
  if log.restored then
    call('ZREM', prefix .. 'ages', topic)
    rows = rows - 1
  else
    local finish = math.min(new_floor, log.floor + rows)
    entries = entries + finish - log.floor
    rows = rows - math.max(finish - log.floor, 1)
    log.floor = finish
    if log.floor > log.head then
      -- Only the hash has the head of an empty log.
      call('DEL', log.entries)
    else
      call('XTRIM', log.entries, 'MINID', text(log.floor) .. '-0')
    end
    if log.known then call('HSET', log.row, 'f', text(log.floor)) end
    prune_redacted(log)
    -- While old entries remain, the index is not changed, so that the next sweep continues here.
    if finish == new_floor then index_age(log) end
  end
end
while rows > 0 do
  local member = call('ZRANGEBYSCORE', prefix .. 'expiries', '-inf', now, 'LIMIT', 0, 1)[1]
  if not member then break end
  local offset, name = string.match(member, '^(%d+) (.*)$')
  local user = open_user(name, now)
  local fields = at_offset(user, offset)
  if fields then
    remove(user, offset, fields, now, window)
  else
    -- The notification was lost, and has expired now.
    call('ZREM', prefix .. 'expiries', member)
    if user.count and user.count > call('XLEN', user.pending) then decrement_count(user) end
  end
  drop_if_empty(user)
  rows = rows - 1
  expired = expired + 1
end
while rows > 0 do
  local body = call('ZRANGEBYSCORE', prefix .. 'bodies', '-inf', now, 'LIMIT', 0, 1)[1]
  if not body then break end
  remove_body(body)
  rows = rows - 1
end
while rows > 0 do
  local user = call('ZRANGEBYSCORE', prefix .. 'blocks_until', '-inf', now, 'LIMIT', 0, 1)[1]
  if not user then break end
  call('DEL', prefix .. 'blocks:' .. user)
  call('ZREM', prefix .. 'blocks_until', user)
  call('ZREM', prefix .. 'blocks_changed', user)
  rows = rows - 1
end
while rows > 0 do
  local user = call('ZRANGEBYSCORE', prefix .. 'subscription_ends', '-inf', now, 'LIMIT', 0, 1)[1]
  if not user then break end
  save_subscriptions(user, live_subscriptions(user, now))
  rows = rows - 1
end
return {request, epoch, entries, expired, rows == 0 and 1 or 0, total_pending(), 0}
