-- One log: a hash (h head, f floor by count, a retention by age, d when its oldest entry ends or earlier, r whether
-- entries were redacted), a stream `entries` with offsets as ids, and a hash `redacted` of what was taken out of it.
local function open_log(topic)
  local row = call('HMGET', base .. 'log:' .. topic, 'h', 'f', 'a', 'd', 'r')
  return {
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
  }
end
-- When an entry was accepted.
local function accepted(log, offset)
  local id = text(offset) .. '-0'
  local entry = call('XRANGE', log.entries, id, id)[1]
  if entry then return tonumber(entry[2][2]) end
  local redacted = call('HGET', log.redacted, text(offset))
  return redacted and tonumber(string.match(redacted, '^%d+')) or 0
end
-- The first offset that is young enough. Entries are in the order of time, so the border is found by halving; mostly
-- the first is young enough.
local function young(log, now)
  local low, high = log.floor, log.head + 1
  local probe = low
  while low < high do
    if accepted(log, probe) + log.max_age <= now then low = probe + 1 else high = probe end
    probe = low + math.floor((high - low) / 2)
  end
  return low
end
-- The first offset within retention. Nothing is too old before `due`.
local function floor_at(log, now)
  if log.due and log.due <= now then return young(log, now) end
  return log.floor
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
  if log.floor <= log.head then
    log.due = accepted(log, log.floor) + log.max_age
    call('ZADD', base .. 'ages', log.due, log.topic)
    call('HSET', log.row, 'd', text(log.due))
  else
    log.due = nil
    call('ZREM', base .. 'ages', log.topic)
    call('HDEL', log.row, 'd')
  end
end
