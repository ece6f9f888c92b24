-- What must not be forgotten with a key that is deleted or evicted: the store's hash, without which there is a new
-- epoch, holds for each log and user a mark that its head has not passed. Heads are reserved in blocks, so that most
-- appends leave the mark alone.
local RESERVED = 1024
local function mark_of(topic) return tonumber(call('HGET', KEYS[1], 'mark:' .. topic) or 0) end
-- Raises the mark when the head has passed it. `row` is the key of the hash, whose field `m` repeats the mark.
local function keep_mark(topic, row, mark, head)
  if mark and head <= mark then return end
  local reserved = text(head + RESERVED - 1)
  call('HSET', KEYS[1], 'mark:' .. topic, reserved)
  call('HSET', row, 'm', reserved)
end
-- The last id that a stream has given, 0 without a stream.
local function last_id(stream)
  if call('EXISTS', stream) == 0 then return 0 end
  local info = call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^%d+')) end
  end
  return 0
end
