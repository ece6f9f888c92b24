-- A log: a hash (h head, f floor by count, a retention by age, d when its oldest entry becomes too old or earlier, r
-- whether entries were redacted, m the mark), a stream `entries` with offsets as ids, and a hash `redacted` of the entries
-- that were redacted. Offsets have no holes, so an offset that is in neither was lost.
local function offset_in(id) return tonumber(string.match(id, '^%d+')) end
-- Returns the first entry of the stream at or after an offset.
local function first_from(log, offset)
  return call('XRANGE', log.entries, text(offset) .. '-0', '+', 'COUNT', 1)[1]
end
-- Restores a log whose hash is missing: it continues after its stream, or without a stream after its mark.
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
  local row = call('HMGET', prefix .. 'log:' .. topic, 'h', 'f', 'a', 'd', 'r', 'm')
  local log = {
    topic = topic,
    row = prefix .. 'log:' .. topic,
    entries = prefix .. 'entries:' .. topic,
    redacted = prefix .. 'redacted:' .. topic,
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
-- Returns when an entry was accepted. For a lost entry, returns when the next entry was accepted, or nil if there is none.
local function accepted_at(log, offset)
  local redacted = log.has_redacted and call('HGET', log.redacted, text(offset))
  if redacted then return tonumber(string.match(redacted, '^%d+')) end
  local entry = first_from(log, offset)
  return entry and tonumber(entry[2][2])
end
-- Returns the first offset within the retention by age. Entries are in the order of time, so this is a binary search.
-- It begins with the first entry, which is usually within it.
local function first_within_age(log, now)
  local low, high = log.floor, log.head + 1
  local probe = low
  while low < high do
    local at = accepted_at(log, probe)
    if at and at + log.max_age <= now then low = probe + 1 else high = probe end
    probe = low + math.floor((high - low) / 2)
  end
  return low
end
-- Returns the first offset within the retention. No entry is too old before `due`.
local function floor_at(log, now)
  if log.due and log.due <= now then return first_within_age(log, now) end
  return log.floor
end
-- Returns the first offset within the retention whose entry is present.
local function present_floor(log, floor)
  if floor > log.head or log.has_redacted then return floor end
  local first = first_from(log, floor)
  return first and offset_in(first[1]) or log.head + 1
end
-- Removes redacted entries that are not within the retention any more.
local function prune_redacted(log)
  if not log.has_redacted then return end
  for _, offset in ipairs(call('HKEYS', log.redacted)) do
    if tonumber(offset) < log.floor then call('HDEL', log.redacted, offset) end
  end
  if call('EXISTS', log.redacted) == 0 then
    call('HDEL', log.row, 'r')
    log.has_redacted = false
  end
end
-- Updates the index `ages` with the time at which the oldest entry becomes too old.
local function index_age(log)
  local oldest = log.floor <= log.head and accepted_at(log, log.floor)
  if oldest then
    log.due = oldest + log.max_age
    call('ZADD', prefix .. 'ages', log.due, log.topic)
    call('HSET', log.row, 'd', text(log.due))
  else
    log.due = nil
    call('ZREM', prefix .. 'ages', log.topic)
    call('HDEL', log.row, 'd')
  end
end
