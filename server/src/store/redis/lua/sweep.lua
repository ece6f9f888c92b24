-- Removes what is beyond its age, a bounded number of rows. Several nodes may do it at once.
local now, window, rows = number(), number(), number()
local entries, expired = 0, 0
while rows > 0 do
  local topic = call('ZRANGEBYSCORE', base .. 'ages', '-inf', now, 'LIMIT', 0, 1)[1]
  if not topic then break end
  local log = open_log(topic)
  local border = young(log, now)
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
  call('HSET', log.row, 'f', text(log.floor))
  forget_redacted(log)
  -- With entries left to remove the index stays, so that the next sweep goes on here.
  if finish == border then index_age(log) end
end
while rows > 0 do
  local member = call('ZRANGEBYSCORE', base .. 'expiries', '-inf', now, 'LIMIT', 0, 1)[1]
  if not member then break end
  local offset, name = string.match(member, '^(%d+) (.*)$')
  local user = open_user(name)
  local fields = at_offset(user, offset)
  if fields then remove(user, offset, fields, now, window) else call('ZREM', base .. 'expiries', member) end
  drop_if_empty(user)
  rows = rows - 1
  expired = expired + 1
end
while rows > 0 do
  local user = call('ZRANGEBYSCORE', base .. 'blocks_until', '-inf', now, 'LIMIT', 0, 1)[1]
  if not user then break end
  call('DEL', base .. 'blocks:' .. user)
  call('ZREM', base .. 'blocks_until', user)
  call('ZREM', base .. 'blocks_changed', user)
  rows = rows - 1
end
return {request, epoch, entries, expired, rows == 0 and 1 or 0, total()}
