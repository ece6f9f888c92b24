-- Removes what is beyond its age, a bounded number of rows. Several nodes may do it at once.
--
-- The clock of this server decides, unless it has jumped. `guard` is what the node that asks expects of it, by the
-- monotonic clock of its machine. A node that has never swept (`is_known` is not 1) knows the clock only since it began:
-- it may sweep when another did so lately, or when no other node is there and the last sweep is less than a day ago.
local own, now, guard, is_known, window, rows = arg(), moment(), arg(), arg() == '1', number(), number()
local LATELY, DAY = 60000, 86400000
local function others_live()
  for _, incarnation in ipairs(call('HKEYS', base .. 'nodes')) do
    if incarnation ~= own and call('EXISTS', base .. 'lease:' .. incarnation) == 1 then return true end
  end
  return false
end
if guard ~= '' then
  local seen = tonumber(call('HGET', KEYS[1], 'seen') or now)
  local refused = math.abs(now - tonumber(guard)) > TOLERANCE
  if not refused and not is_known then
    refused = now + TOLERANCE < seen or now - seen > DAY or (now - seen > LATELY and others_live())
  end
  if refused then return {request, epoch, 0, 0, 0, total(), 1} end
  call('HSET', KEYS[1], 'seen', text(now))
end
local entries, expired = 0, 0
while rows > 0 do
  local topic = call('ZRANGEBYSCORE', base .. 'ages', '-inf', now, 'LIMIT', 0, 1)[1]
  if not topic then break end
  local log = open_log(topic)
  -- How long entries are kept is lost with the hash; the next append says it, and notes the log here again.
  local border = log.restored and log.floor or young(log, now)
  if log.restored then
    call('ZREM', base .. 'ages', topic)
    rows = rows - 1
  else
    local finish = math.min(border, log.floor + rows)
    entries = entries + finish - log.floor
    rows = rows - math.max(finish - log.floor, 1)
    log.floor = finish
    if log.floor > log.head then
      -- The hash alone knows the head of an empty log.
      call('DEL', log.entries)
    else
      call('XTRIM', log.entries, 'MINID', text(log.floor) .. '-0')
    end
    if log.known then call('HSET', log.row, 'f', text(log.floor)) end
    forget_redacted(log)
    -- With entries left to remove the index stays, so that the next sweep goes on here.
    if finish == border then index_age(log) end
  end
end
while rows > 0 do
  local member = call('ZRANGEBYSCORE', base .. 'expiries', '-inf', now, 'LIMIT', 0, 1)[1]
  if not member then break end
  local offset, name = string.match(member, '^(%d+) (.*)$')
  local user = open_user(name, now)
  local fields = at_offset(user, offset)
  if fields then
    remove(user, offset, fields, now, window)
  else
    -- It was lost before, and its time is over now.
    call('ZREM', base .. 'expiries', member)
    if user.count and user.count > call('XLEN', user.pending) then count_less(user) end
  end
  drop_if_empty(user)
  rows = rows - 1
  expired = expired + 1
end
while rows > 0 do
  local body = call('ZRANGEBYSCORE', base .. 'bodies', '-inf', now, 'LIMIT', 0, 1)[1]
  if not body then break end
  remove_body(body)
  rows = rows - 1
end
while rows > 0 do
  local user = call('ZRANGEBYSCORE', base .. 'blocks_until', '-inf', now, 'LIMIT', 0, 1)[1]
  if not user then break end
  call('DEL', base .. 'blocks:' .. user)
  call('ZREM', base .. 'blocks_until', user)
  call('ZREM', base .. 'blocks_changed', user)
  rows = rows - 1
end
return {request, epoch, entries, expired, rows == 0 and 1 or 0, total(), 0}
