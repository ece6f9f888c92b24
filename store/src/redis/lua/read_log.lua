-- Reads a page of a log: ascending after a position, or descending before an offset.
local log = open_log(topic)
if not log.known then return {request, epoch, 0, 1, 0, page, 0, 0} end
local floor = floor_at(log, now)
local step = direction == 'after' and 1 or -1
local next_offset = step == 1 and math.max(from + 1, floor) or math.min(from - 1, log.head)
local redacted = {}
if log.has_redacted then
  local all = call('HGETALL', log.redacted)
  for i = 1, #all, 2 do redacted[tonumber(all[i])] = all[i + 1] end
end
local exhausted = true
-- Offsets have no holes: an entry that is not in the stream was redacted or is lost. A page ends before lost entries. A
-- page that begins with lost entries contains no others.
local lost_from, lost_to = 0, 0
local function report_lost_up_to(offset)
  exhausted = false
  if #page > 0 then return end
  lost_from, lost_to = next_offset, offset - step
  for known in pairs(redacted) do
    local nearer = (known - next_offset) * step > 0 and (lost_to - known) * step >= 0
    if nearer then lost_to = known - step end
  end
end
local function put_redacted_up_to(offset)
  while exhausted and next_offset ~= offset do
    local row = redacted[next_offset]
    if not row then return report_lost_up_to(offset) end
    local at, body = string.match(row, '^(%d+) (.*)$')
    exhausted = put(next_offset, at, body)
    if exhausted then next_offset = next_offset + step end
  end
end
local function within() return next_offset >= floor and next_offset <= log.head end
while exhausted and within() do
  local rows
  if step == 1 then
    rows = call('XRANGE', log.entries, text(next_offset) .. '-0', '+', 'COUNT', rows_to_read())
  else
    rows = call('XREVRANGE', log.entries, text(next_offset) .. '-0', text(floor) .. '-0', 'COUNT', rows_to_read())
  end
  for _, row in ipairs(rows) do
    local offset = offset_of(row[1])
    put_redacted_up_to(offset)
    if not exhausted then break end
    exhausted = put(offset, row[2][2], row[2][4])
    if not exhausted then break end
    next_offset = offset + step
  end
  if #rows == 0 then put_redacted_up_to(step == 1 and log.head + 1 or floor - 1) end
end
local position
if step == -1 then
  position = last or log.head
elseif exhausted then
  position = log.head
elseif lost_to > 0 then
  position = lost_to
else
  position = page[#page - 2] or math.min(from, log.head)
end
return {request, epoch, log.head, floor, position, page, math.min(lost_from, lost_to), math.max(lost_from, lost_to)}
