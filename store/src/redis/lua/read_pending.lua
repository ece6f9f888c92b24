-- Reads a page of the pending notifications of a user: ascending after a position, or descending before an offset.
local user = open_user(user_id, now)
local pending, head = user.pending, user.head
local ascending = direction == 'after'
-- Offsets have holes where notifications were acknowledged. When notifications are missing, the first hole is reported
-- for them: a page ends before it, and a page that begins with it contains nothing else.
local hole_from, hole_to = 0, 0
if ascending and ((user.count or 0) > call('XLEN', pending) or (user.lost or 0) > now) then
  hole_from, hole_to = 1, head
  for _, row in ipairs(call('XRANGE', pending, '-', '+')) do
    local offset = offset_of(row[1])
    if offset > hole_from then
      hole_to = offset - 1
      break
    end
    hole_from = offset + 1
  end
  if hole_from == from + 1 and hole_from <= hole_to then
    return {request, epoch, head, 1, hole_to, page, hole_from, hole_to}
  end
end
local finish, position = '+', head
if hole_from > from + 1 and hole_from <= hole_to then
  finish, position = text(hole_from - 1) .. '-0', hole_from - 1
end
-- A notification whose shared body is missing is lost. A page ends before it, and a page that begins with it contains
-- nothing else.
local lost_from, lost_to
local exhausted = true
local position_to_read = ascending and from + 1 or math.min(from - 1, head)
while exhausted do
  local rows = {}
  if ascending then
    rows = call('XRANGE', pending, text(position_to_read) .. '-0', finish, 'COUNT', rows_to_read())
  elseif position_to_read > 0 then
    rows = call('XREVRANGE', pending, text(position_to_read) .. '-0', '-', 'COUNT', rows_to_read())
  end
  if #rows == 0 then break end
  for _, row in ipairs(rows) do
    local offset, fields = offset_of(row[1]), row[2]
    if tonumber(fields[4]) > now then
      local body = body_of(fields)
      if body and not lost_from then
        exhausted = put(offset, fields[2], body)
      elseif not body and ascending and #page == 0 then
        lost_from, lost_to = lost_from or offset, offset
      elseif body or ascending then
        exhausted = false
      end
      if not exhausted then break end
    end
    position_to_read = ascending and offset + 1 or offset - 1
  end
end
if lost_from then return {request, epoch, head, 1, lost_to, page, lost_from, lost_to} end
if not ascending then
  position = last or head
elseif not exhausted then
  position = page[#page - 2] or math.min(from, head)
end
return {request, epoch, head, 1, position, page, 0, 0}
