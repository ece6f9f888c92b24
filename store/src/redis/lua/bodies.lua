-- The bodies of broadcasts: a hash `body:<number>` (b the body, i the id of the notification, n how many pending
-- notifications refer to it), and the index `bodies` with the time at which each is removed at the latest. The last
-- notification that is removed removes the body; the index is for notifications that an earlier version removed.
--
-- An entry of `pending` with its own body has the fields t, x, i and b. An entry that refers to a body has three fields,
-- and the third has the name `body:<number>` instead of i. Scripts of earlier versions read values by their position:
-- they fail on such an entry, and do not deliver an empty notification.
local MARGIN = 3600000
local function referred_body(fields) return #fields == 6 and fields[5] end
-- Returns the body of an entry, or nil if it is missing.
local function body_of(fields)
  local name = referred_body(fields)
  if not name then return fields[8] end
  local row = call('HMGET', prefix .. name, 'b', 'i')
  return row[2] == fields[6] and row[1] or nil
end
local function has_body(name) return call('EXISTS', prefix .. name) == 1 end
local function write_body(name, id, body, expires)
  call('HSET', prefix .. name, 'b', body, 'i', id, 'n', '0')
  call('ZADD', prefix .. 'bodies', text(tonumber(expires) + MARGIN), name)
end
local function remove_body(name)
  call('DEL', prefix .. name)
  call('ZREM', prefix .. 'bodies', name)
end
local function hold_body(name) call('HINCRBY', prefix .. name, 'n', 1) end
local function release_body(name)
  if has_body(name) and call('HINCRBY', prefix .. name, 'n', -1) <= 0 then remove_body(name) end
end
