-- A page of what is pending for a user: ascending after a position, or descending before an offset.
local user, direction, from, now = arg(), arg(), number(), moment()
local pending = base .. 'pending:' .. user
local head = tonumber(call('HGET', base .. 'user:' .. user, 'h') or 0)
local ascending = direction == 'after'
local exhausted = true
local place = ascending and from + 1 or math.min(from - 1, head)
while exhausted do
  local rows = {}
  if ascending then
    rows = call('XRANGE', pending, text(place) .. '-0', '+', 'COUNT', at_once())
  elseif place > 0 then
    rows = call('XREVRANGE', pending, text(place) .. '-0', '-', 'COUNT', at_once())
  end
  if #rows == 0 then break end
  for _, row in ipairs(rows) do
    local offset, fields = offset_of(row[1]), row[2]
    if tonumber(fields[4]) > now then
      exhausted = put(offset, fields[2], fields[8])
      if not exhausted then break end
    end
    place = ascending and offset + 1 or offset - 1
  end
end
local position
if not ascending then
  position = last or head
elseif exhausted then
  position = head
else
  position = page[#page - 2] or math.min(from, head)
end
return {request, epoch, head, 1, position, page}
