-- High-water marks: a head must not go back when the key of a log is deleted or evicted. The hash of the store has a mark
-- for each log and user, which is never less than the head. If that hash is lost too, a new epoch begins. A mark is raised
-- by 1024 at a time, so that most appends do not write it.
local RESERVED = 1024
local function mark_of(topic) return tonumber(call('HGET', KEYS[1], 'mark:' .. topic) or 0) end
-- Raises the mark if the head has passed it. `row` is the key of the log's hash, whose field `m` has a copy of the mark.
local function keep_mark(topic, row, mark, head)
  if mark and head <= mark then return end
  local reserved = text(head + RESERVED - 1)
  call('HSET', KEYS[1], 'mark:' .. topic, reserved)
  call('HSET', row, 'm', reserved)
end
-- Returns the offset that a stream generated last, or 0 if it does not exist.
local function last_id(stream)
  if call('EXISTS', stream) == 0 then return 0 end
  local info = call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^%d+')) end
  end
  return 0
end
