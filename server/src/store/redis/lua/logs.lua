-- One log: a hash (h head, f floor by count, a retention by age, d when its oldest entry ends or earlier, r whether
-- entries were redacted, m the mark), a stream `entries` with offsets as ids, and a hash `redacted` of what was taken
-- out of it. Offsets have no holes, so what is in neither was lost.
local function offset_in(id) return tonumber(string.match(id, '^%d+')) end
-- The first entry of the stream from an offset on.
local function first_from(log, offset)
  return call('XRANGE', log.entries, text(offset) .. '-0', '+', 'COUNT', 1)[1]
end
-- A log whose hash is gone goes on where its stream ends, or where nothing was confirmed yet.
local function restore(log)
  local last, mark = last_id(log.entries), mark_of(log.topic)
  if last == 0 and mark == 0 then return log end
  log.known, log.restored, log.is_gone = true, true, last == 0
  log.head = last > 0 and last or mark
  log.has_redacted = call('EXISTS', log.redacted) == 1
  local first = first_from(log, 1)
  log.floor = first and offset_in(first[1]) or log.head + 1
  return log
end
local function open_log(topic)
  local row = call('HMGET', base .. 'log:' .. topic, 'h', 'f', 'a', 'd', 'r', 'm')
  local log = {
    topic = topic,
    row = base .. 'log:' .. topic,
    entries = base .. 'entries:' .. topic,
    redacted = base .. 'redacted:' .. topic,
    known = row[1] and true or false,
    head = tonumber(row[1] or 0),
    floor = tonumber(row[2] or 1),
    max_age = tonumber(row[3] or 0),
    due = row[4] and tonumber(row[4]),
    has_redacted = row[5] and true or false,
    mark = row[6] and tonumber(row[6]),
  }
  if log.known then return log end
  return restore(log)
end
-- When an entry was accepted, or where it was lost the next one; nil where none is left.
local function accepted(log, offset)
  local redacted = log.has_redacted and call('HGET', log.redacted, text(offset))
  if redacted then return tonumber(string.match(redacted, '^%d+')) end
  local entry = first_from(log, offset)
  return entry and tonumber(entry[2][2])
end
-- The first offset that is young enough. Entries are in the order of time, so the border is found by halving; mostly
-- the first is young enough.
local function young(log, now)
  local low, high = log.floor, log.head + 1
  local probe = low
  while low < high do
    local at = accepted(log, probe)
    if at and at + log.max_age <= now then low = probe + 1 else high = probe end
    probe = low + math.floor((high - low) / 2)
  end
  return low
end
-- The first offset within retention. Nothing is too old before `due`.
local function floor_at(log, now)
  if log.due and log.due <= now then return young(log, now) end
  return log.floor
end
-- The first offset within retention that is there.
local function present_floor(log, floor)
  if floor > log.head or log.has_redacted then return floor end
  local first = first_from(log, floor)
  return first and offset_in(first[1]) or log.head + 1
end
-- Forgets what was redacted and is out of retention.
local function forget_redacted(log)
  if not log.has_redacted then return end
  for _, offset in ipairs(call('HKEYS', log.redacted)) do
    if tonumber(offset) < log.floor then call('HDEL', log.redacted, offset) end
  end
  if call('EXISTS', log.redacted) == 0 then
    call('HDEL', log.row, 'r')
    log.has_redacted = false
  end
end
-- Notes in the index of ages when the oldest entry ends.
local function index_age(log)
  local oldest = log.floor <= log.head and accepted(log, log.floor)
  if oldest then
    log.due = oldest + log.max_age
    call('ZADD', base .. 'ages', log.due, log.topic)
    call('HSET', log.row, 'd', text(log.due))
  else
    log.due = nil
    call('ZREM', base .. 'ages', log.topic)
    call('HDEL', log.row, 'd')
  end
end
