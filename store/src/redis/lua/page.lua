-- Collects the entries of a page, as long as they fit. The first entry always fits.
local entries_left, bytes_left, any = max_entries, max_bytes, false
local function fits(bytes)
  if entries_left == 0 or (any and bytes > bytes_left) then return false end
  any = true
  if bytes > bytes_left then
    -- The first entry alone exceeds the limit: no other entry follows it, not even an empty one.
    entries_left = 0
  else
    bytes_left = bytes_left - bytes
    entries_left = entries_left - 1
  end
  return true
end
-- Returns how many rows the next command reads: not many more than still fit into the page.
local function rows_to_read() return math.min(entries_left + 1, 64) end
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
