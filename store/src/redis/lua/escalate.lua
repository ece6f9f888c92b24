-- Writes the events of notifications that are pending and due for escalation, and forgets that they are due.
local escalated = 0
for row in escalations() do
  local member = row.offset .. ' ' .. row.user
  local due = call('ZSCORE', prefix .. 'escalations', member)
  if due and tonumber(due) <= now then
    call('ZREM', prefix .. 'escalations', member)
    local fields = at_offset({pending = prefix .. 'pending:' .. row.user}, row.offset)
    if fields and tonumber(fields[4]) > now and row.event_id ~= '' then
      report(row.event_id, row.event_key, row.event_at, row.event_body, 'none', '', row.event_source)
      escalated = escalated + 1
    end
  end
end
return {request, epoch, overflowed, escalated}
