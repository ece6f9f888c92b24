-- Removes what is beyond its age, a bounded number of rows. Several nodes may do it at once.
local now, window, rows = number(), number(), number()
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
return {request, epoch, entries, expired, rows == 0 and 1 or 0, total()}
