-- A page of what is pending for a user: ascending after a position, or descending before an offset.
local name, direction, from, now = arg(), arg(), number(), moment()
local user = open_user(name, now)
local pending, head = user.pending, user.head
local ascending = direction == 'after'
-- Offsets have holes where notifications were acknowledged. When some are missing, the first hole stands for them:
-- a page ends before it, and one that begins with it holds nothing else.
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
-- What refers to a body that is gone is lost. A page ends before it, and one that begins with it holds nothing else.
local lost_from, lost_to
local exhausted = true
local place = ascending and from + 1 or math.min(from - 1, head)
while exhausted do
  local rows = {}
  if ascending then
    rows = call('XRANGE', pending, text(place) .. '-0', finish, 'COUNT', at_once())
  elseif place > 0 then
    rows = call('XREVRANGE', pending, text(place) .. '-0', '-', 'COUNT', at_once())
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
    place = ascending and offset + 1 or offset - 1
  end
end
if lost_from then return {request, epoch, head, 1, lost_to, page, lost_from, lost_to} end
if not ascending then
  position = last or head
elseif not exhausted then
  position = page[#page - 2] or math.min(from, head)
end
return {request, epoch, head, 1, position, page, 0, 0}
