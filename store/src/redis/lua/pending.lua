-- The notifications of a user: a hash `user` (h head, s when the first of them expires or earlier, c how many are pending,
-- m the mark, l until when pages report that some may be lost, e whether some are to be escalated), a stream `pending` with offsets as ids, a text `notified`
-- per known id (offset and time), a hash `escalated` (offset, when it was due) of the pending notifications whose event was
-- written, and the indexes `expiries` and `escalations` of all users. A version without escalations leaves rows of removed
-- notifications in `escalations`; they are removed when they are due.
local LOST_FOR = 7 * 24 * 3600 * 1000
-- Restores a user whose hash is missing: it continues after the stream. Without a stream, nothing was pending, or it is
-- lost.
local function restore_user(user, now)
  local last, mark = last_id(user.pending), mark_of('user:' .. user.name)
  if last == 0 and mark == 0 then return user end
  user.head = last > 0 and last or mark
  user.count = call('XLEN', user.pending)
  if last == 0 then user.lost = now + LOST_FOR end
  call('HSET', user.row, 'h', text(user.head), 's', '0', 'c', text(user.count), 'l', text(user.lost or 0))
  return user
end
local function open_user(user, now)
  local row = call('HMGET', prefix .. 'user:' .. user, 'h', 's', 'c', 'm', 'l', 'e')
  local opened = {
    name = user,
    row = prefix .. 'user:' .. user,
    pending = prefix .. 'pending:' .. user,
    head = tonumber(row[1] or 0),
    soonest = tonumber(row[2] or 0),
    count = row[3] and tonumber(row[3]),
    mark = row[4] and tonumber(row[4]),
    lost = row[5] and tonumber(row[5]),
    escalates = row[6],
  }
  if row[1] then return opened end
  return restore_user(opened, now)
end
local function decrement_count(user)
  if not user.count then return end
  user.count = user.count - 1
  call('HSET', user.row, 'c', text(user.count))
end
local function notified(user, id) return prefix .. 'notified:' .. user.name .. ' ' .. id end
local function at_offset(user, offset)
  local entry = call('XRANGE', user.pending, offset .. '-0', offset .. '-0')[1]
  return entry and entry[2]
end
-- Removes a pending notification. Its id stays known within the window. After the window, the id is removed as well.
local function remove(user, offset, fields, now, window)
  call('XDEL', user.pending, offset .. '-0')
  local shared = referred_body(fields)
  if shared then release_body(shared) end
  decrement_count(user)
  call('ZREM', prefix .. 'expiries', offset .. ' ' .. user.name)
  if user.escalates then
    call('ZREM', prefix .. 'escalations', offset .. ' ' .. user.name)
    call('HDEL', prefix .. 'escalated:' .. user.name, offset)
  end
  if tonumber(fields[2]) + window <= now then
    local known = call('GET', notified(user, fields[6]))
    if known and string.match(known, '^%d+') == offset then call('DEL', notified(user, fields[6])) end
  end
end
local function drop_if_empty(user)
  if call('XLEN', user.pending) > 0 then return end
  call('DEL', user.pending)
  if user.escalates then
    call('HDEL', user.row, 'e')
    call('DEL', prefix .. 'escalated:' .. user.name)
  end
end
local function total_pending() return call('ZCARD', prefix .. 'expiries') end
