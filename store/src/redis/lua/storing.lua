-- Stores a notification, unless one with its id is pending or was stored within the window. `new` has the values that are
-- the same for all recipients: now, window, kept_for, id, content, expires, escalate_at and max_pending. `event` reports dropped
-- notifications. `add` adds the entry to the stream of the user. The id is stored with the digest of the notification
-- (hexadecimal digits): another notification with the same id is a conflict. `body` is announced to other nodes; without
-- one they read the notification. Returns the offset or CONFLICT, whether the notification is a duplicate, the counter of
-- the shard, and the ids of the dropped notifications.
local function store(new, name, shard, is_subscribed, event, body, add)
  local now, id, expires = new.now, new.id, new.expires
  local user = open_user(name, now)
  user.count = user.count or call('XLEN', user.pending)
  local known = call('GET', notified(user, id))
  if known then
    local offset, first_at, first_content = string.match(known, '^(%d+) (%d+) ?(%x*)$')
    local fields = at_offset(user, offset)
    if (fields and tonumber(fields[4]) > now) or tonumber(first_at) + new.window > now then
      if is_conflict(first_content, new.content) then return CONFLICT, 0, 0, {} end
      local count = call('HGET', prefix .. 'shards', shard) or 0
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
  call('SET', notified(user, id), head .. ' ' .. at .. ' ' .. new.content, 'PX', new.kept_for)
  call('HSET', user.row, 'h', head, 's', text(math.min(user.soonest, tonumber(expires))), 'c', text(user.count + 1))
  keep_mark('user:' .. name, user.row, user.mark, user.head + 1)
  call('ZADD', prefix .. 'expiries', expires, head .. ' ' .. name)
  if new.escalate_at ~= '' then
    call('ZADD', prefix .. 'escalations', new.escalate_at, head .. ' ' .. name)
    call('HSET', user.row, 'e', '1')
  end
  local shard_count = call('HINCRBY', prefix .. 'shards', shard, 1)
  if #dropped > 0 and event.event_id ~= '' then
    report(event.event_id, event.event_key, event.event_at, event.event_body, 'notifications', cjson.encode(dropped),
      event.event_source)
  end
  announce('user:' .. name, shard, is_subscribed, shard_count, head, at, body)
  return user.head + 1, 0, shard_count, dropped
end
