-- Sessions: per user one text, a list of records in the order of arrival: i id, u user, d device, n node, c the node's
-- incarnation, s since, k client instance, a attempt (20 digits, so that texts compare as numbers do).
-- `connected` has the users with sessions, in the order of their bytes.
local function load_sessions(user)
  local row = call('GET', prefix .. 'sessions:' .. user)
  return row and cjson.decode(row) or {}
end
local function save_sessions(user, live)
  if #live == 0 then
    call('DEL', prefix .. 'sessions:' .. user)
    call('ZREM', prefix .. 'connected', user)
  else
    call('SET', prefix .. 'sessions:' .. user, cjson.encode(live))
    call('ZADD', prefix .. 'connected', 0, user)
  end
end
-- Encodes an id as one word of a routing key.
local function word(id)
  return (string.gsub(id, '[^A-Za-z0-9_-]', function(c) return string.format('%%%02X', string.byte(c)) end))
end
local function opened(record, now)
  hold(record.c, 's ' .. record.i .. ' ' .. record.u)
  local body = '{"sessionId":' .. cjson.encode(record.i)
  if record.d then body = body .. ',"deviceId":' .. cjson.encode(record.d) end
  report('opened-' .. record.i, 'session.opened.' .. word(record.u), now, body .. '}', 'none', '', 'client')
end
local function closed(record, code, now)
  call('SREM', prefix .. 'held:' .. record.c, 's ' .. record.i .. ' ' .. record.u)
  local duration = math.max(tonumber(now) - tonumber(record.s), 0)
  local body = '{"sessionId":' .. cjson.encode(record.i) .. ',"code":' .. code .. ',"durationMs":' .. text(duration)
  report('closed-' .. record.i, 'session.closed.' .. word(record.u), now, body .. '}', 'none', '', 'client')
end
-- Returns the sessions without those whose ids are keys of `removed`.
local function without(live, removed)
  local rest = {}
  for _, other in ipairs(live) do
    if not removed[other.i] then rest[#rest + 1] = other end
  end
  return rest
end
