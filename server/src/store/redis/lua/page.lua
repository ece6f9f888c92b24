-- What fits into a page: the first entry always does.
local entries_left, bytes_left, any = number(), number(), false
local function fits(bytes)
  if entries_left == 0 or (any and bytes > bytes_left) then return false end
  any = true
  if bytes > bytes_left then
    -- The first entry alone is over the limit: not even an empty one follows it.
    entries_left = 0
  else
    bytes_left = bytes_left - bytes
    entries_left = entries_left - 1
  end
  return true
end
-- How many rows are looked at together: never many more than are wanted.
local function at_once() return math.min(entries_left + 1, 64) end
local page, last = {}, nil
local function put(offset, at, body)
  if not fits(string.len(body)) then return false end
  last = last or offset
  page[#page + 1] = offset
  page[#page + 1] = at
  page[#page + 1] = body
  return true
end
local function offset_of(id) return tonumber(string.match(id, '^%d+')) end
