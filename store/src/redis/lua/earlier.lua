-- Returns the offset and the id of the append with an idempotency key within the window. The offset is CONFLICT if its
-- message had another digest. Returns nothing without such an append, and for an empty key.
local function earlier_append(topic, key, content, window, now)
  local known = key ~= '' and call('GET', prefix .. 'repeat:' .. topic .. ' ' .. key)
  if not known then return end
  local first_at, offset, id, first_content = string.match(known, '^(%d+) (%d+) (%S+) ?(%x*)$')
  if tonumber(first_at) + window <= now then return end
  if is_conflict(first_content, content) then return CONFLICT end
  return tonumber(offset), id
end
