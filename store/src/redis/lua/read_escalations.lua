-- Reads notifications that are pending and due for escalation: user, offset, when it was accepted, id and body of each. Rows
-- of notifications that are not pending any more are removed.
local due, bytes, is_full = {}, 0, false
local members = call('ZRANGEBYSCORE', prefix .. 'escalations', '-inf', now, 'LIMIT', 0, max_entries)
for _, member in ipairs(members) do
  local offset, name = string.match(member, '^(%d+) (.*)$')
  local fields = at_offset({pending = prefix .. 'pending:' .. name}, offset)
  local body = fields and tonumber(fields[4]) > now and body_of(fields)
  if body then
    bytes = bytes + #body
    is_full = bytes > max_bytes and #due > 0
    if is_full then break end
    for _, value in ipairs({name, offset, fields[2], fields[6], body}) do due[#due + 1] = value end
  else
    call('ZREM', prefix .. 'escalations', member)
  end
end
return {request, epoch, (is_full or #members == max_entries) and 1 or 0, due}
