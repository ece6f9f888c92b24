-- Sessions: per user one text, a list of records in the order of arrival: i id, u user, d device, n node, c the node's
-- incarnation, s since, k client instance, a attempt (20 digits, so that texts compare as numbers do). A set `held` per
-- incarnation says what has to be removed when its node is gone: `s <session> <user>`, `p <clan> <user>`.
local function load_sessions(user)
  local row = call('GET', base .. 'sessions:' .. user)
  return row and cjson.decode(row) or {}
end
local function save_sessions(user, live)
  if #live == 0 then
    call('DEL', base .. 'sessions:' .. user)
  else
    call('SET', base .. 'sessions:' .. user, cjson.encode(live))
  end
end
local function hold(incarnation, what)
  call('SADD', base .. 'held:' .. incarnation, what)
  -- So that what it holds is found when it is gone, whatever became of its pulse.
  call('HSETNX', base .. 'nodes', incarnation, '')
end
-- As one word of a routing key.
local function word(id)
  return (string.gsub(id, '[^A-Za-z0-9_-]', function(c) return string.format('%%%02X', string.byte(c)) end))
end
local function opened(record, now)
  hold(record.c, 's ' .. record.i .. ' ' .. record.u)
  local body = '{"sessionId":' .. cjson.encode(record.i)
  if record.d then body = body .. ',"deviceId":' .. cjson.encode(record.d) end
  report('opened-' .. record.i, 'session.opened.' .. word(record.u), now, body .. '}', 'none', '')
end
local function closed(record, code, now)
  call('SREM', base .. 'held:' .. record.c, 's ' .. record.i .. ' ' .. record.u)
  local duration = math.max(tonumber(now) - tonumber(record.s), 0)
  local body = '{"sessionId":' .. cjson.encode(record.i) .. ',"code":' .. code .. ',"durationMs":' .. text(duration)
  report('closed-' .. record.i, 'session.closed.' .. word(record.u), now, body .. '}', 'none', '')
end
-- Puts a note into the inbox of a node that is there.
local function post(incarnation, version, note)
  local lease = call('PTTL', base .. 'lease:' .. incarnation)
  if lease <= 0 then return end
  local inbox = base .. 'inbox:' .. incarnation
  call('XADD', inbox, 'MAXLEN', '~', '100000', '*', 'v', version, 'n', note)
end
local function evict(record, own, now, version)
  closed(record, 4409, now)
  if record.c == own then return end
  local note = '{"type":"close","userId":' .. cjson.encode(record.u) .. ',"sessionId":' .. cjson.encode(record.i)
  post(record.c, version, note .. ',"code":4409}')
end
local function without(live, gone)
  local rest = {}
  for _, other in ipairs(live) do
    if not gone[other.i] then rest[#rest + 1] = other end
  end
  return rest
end
-- Decides who lives, as `embedded_sessions::admit` does. Gives a verdict, those who live, and those who are replaced.
local function admit(live, record, policy)
  local reject, gone = policy.reject, {}
  local function is_same_instance(other) return record.k ~= nil and other.k == record.k end
  for _, other in ipairs(live) do
    if is_same_instance(other) and (other.a or '') > (record.a or '') then return 'superseded' end
  end
  -- An instance that comes again is the same client, so its earlier session is a ghost under either policy.
  for _, other in ipairs(live) do
    if is_same_instance(other) then gone[other.i] = true end
  end
  local function staying(matches)
    local found = {}
    for _, other in ipairs(live) do
      if other.i ~= record.i and not gone[other.i] and matches(other) then found[#found + 1] = other end
    end
    return found
  end
  local function all() return true end
  local function is_same_device(other) return other.d == record.d end
  local counted
  if policy.by_device then
    -- A device's own predecessor goes under either policy, so that no ghost locks it out.
    if record.d then reject = false end
    counted = staying(is_same_device)
  else
    if record.d then
      for _, other in ipairs(staying(is_same_device)) do gone[other.i] = true end
    end
    counted = staying(all)
  end
  local excess = #counted + 1 - policy.max
  if excess > 0 and (reject or policy.max == 0) then return 'refused' end
  for i = 1, math.min(excess, #counted) do gone[counted[i].i] = true end
  if policy.by_device then
    local devices, seen = {}, {}
    for _, other in ipairs(staying(function(other) return other.d ~= record.d end)) do
      local device = other.d or ''
      if not seen[device] then
        seen[device] = true
        devices[#devices + 1] = device
      end
    end
    for i = 1, #devices + 1 - math.max(policy.max_devices, 1) do
      for _, other in ipairs(staying(function(other) return (other.d or '') == devices[i] end)) do
        gone[other.i] = true
      end
    end
  end
  local replaced = {}
  for _, other in ipairs(live) do
    if gone[other.i] and other.i ~= record.i then replaced[#replaced + 1] = other end
  end
  gone[record.i] = true
  local living = without(live, gone)
  living[#living + 1] = record
  return 'admitted', living, replaced
end
