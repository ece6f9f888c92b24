-- Reads rows of a stream, within a number of rows and of bytes of bodies. The first row always fits. A body is the tenth
-- element of the fields of a row.
local CHUNK = 16
local function read_rows(stream, first)
  local rows, bytes = {}, 0
  while #rows < max_entries do
    local some = call('XRANGE', stream, first, '+', 'COUNT', math.min(CHUNK, max_entries - #rows))
    for _, row in ipairs(some) do
      bytes = bytes + #row[2][10]
      if #rows > 0 and bytes > max_bytes then return rows end
      rows[#rows + 1] = row
    end
    if #some == 0 then break end
    first = '(' .. some[#some][1]
  end
  return rows
end
