-- The notifications of a user: a hash `user` (h head, s when the first of them ends or earlier), a stream `pending`
-- with offsets as ids, a text `notified` per id that came (offset and time), and the index `expiries` of all users.
local function open_user(user)
  local row = call('HMGET', base .. 'user:' .. user, 'h', 's')
  return {
    name = user,
    row = base .. 'user:' .. user,
    pending = base .. 'pending:' .. user,
    head = tonumber(row[1] or 0),
    soonest = tonumber(row[2] or 0),
  }
end
local function notified(user, id) return base .. 'notified:' .. user.name .. ' ' .. id end
local function at_offset(user, offset)
  local entry = call('XRANGE', user.pending, offset .. '-0', offset .. '-0')[1]
  return entry and entry[2]
end
-- Removes a pending notification. Its id stays known within the window, and goes with it after.
local function remove(user, offset, fields, now, window)
  call('XDEL', user.pending, offset .. '-0')
  call('ZREM', base .. 'expiries', offset .. ' ' .. user.name)
  if tonumber(fields[2]) + window <= now then
    local known = call('GET', notified(user, fields[6]))
    if known and string.match(known, '^%d+') == offset then call('DEL', notified(user, fields[6])) end
  end
end
local function drop_if_empty(user)
  if call('XLEN', user.pending) == 0 then call('DEL', user.pending) end
end
local function total() return call('ZCARD', base .. 'expiries') end
