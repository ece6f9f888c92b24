-- Returns the escalation of each of these notifications of a user: whether its event was written, and when it is due. The time
-- is 0 if it is not to be escalated, or not pending any more.
local found = {}
for offset in offsets() do
  local fields = at_offset({pending = prefix .. 'pending:' .. user_id}, offset)
  local due, reported
  if fields and tonumber(fields[4]) > now then
    due = call('ZSCORE', prefix .. 'escalations', offset .. ' ' .. user_id)
    reported = not due and call('HGET', prefix .. 'escalated:' .. user_id, offset)
  end
  found[#found + 1] = reported and 1 or 0
  found[#found + 1] = due or reported or '0'
end
return {request, epoch, found}
