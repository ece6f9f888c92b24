-- Stores a notification, unless one with its id is pending or came within the window. `new` holds what all recipients
-- have in common: now, window, keep, id, content, expires and max_pending. `add` adds the entry to the stream of the
-- user. With the id stands what the notification says, as a digest of hexadecimal digits: another one with the same id
-- is a conflict. Returns the offset or CONFLICT, whether it is a duplicate, the counter of the shard, and what was dropped.
local function store(new, name, shard, event, add)
  local now, id, expires = new.now, new.id, new.expires
  local user = open_user(name, now)
  user.count = user.count or call('XLEN', user.pending)
  local known = call('GET', notified(user, id))
  if known then
    local offset, first_at, first_content = string.match(known, '^(%d+) (%d+) ?(%x*)$')
    local fields = at_offset(user, offset)
    if (fields and tonumber(fields[4]) > now) or tonumber(first_at) + new.window > now then
      if is_conflict(first_content, new.content) then return CONFLICT, 0, 0, {} end
      local count = call('HGET', base .. 'shards', shard) or 0
      return tonumber(offset), 1, tonumber(count), {}
    end
  end
  local dropped = {}
  local count = call('XLEN', user.pending)
  if count == 0 then user.soonest = tonumber(expires) end
  if count >= new.max_pending and user.soonest <= now then
    local soonest = tonumber(expires)
    for _, row in ipairs(call('XRANGE', user.pending, '-', '+')) do
      local ends = tonumber(row[2][4])
      if ends <= now then
        remove(user, string.match(row[1], '^%d+'), row[2], now, new.window)
      elseif ends < soonest then
        soonest = ends
      end
    end
    user.soonest = soonest
  end
  while call('XLEN', user.pending) >= new.max_pending do
    local oldest = call('XRANGE', user.pending, '-', '+', 'COUNT', 1)[1]
    if not oldest then break end
    remove(user, string.match(oldest[1], '^%d+'), oldest[2], now, new.window)
    dropped[#dropped + 1] = oldest[2][6]
  end
  local head, at = text(user.head + 1), text(now)
  add(user.pending, head .. '-0', at)
  call('SET', notified(user, id), head .. ' ' .. at .. ' ' .. new.content, 'PX', new.keep)
  call('HSET', user.row, 'h', head, 's', text(math.min(user.soonest, tonumber(expires))), 'c', text(user.count + 1))
  keep_mark('user:' .. name, user.row, user.mark, user.head + 1)
  call('ZADD', base .. 'expiries', expires, head .. ' ' .. name)
  local raised = call('HINCRBY', base .. 'shards', shard, 1)
  if #dropped > 0 and event.id ~= '' then
    report(event.id, event.key, event.at, event.body, 'notifications', cjson.encode(dropped))
  end
  return user.head + 1, 0, raised, dropped
end
