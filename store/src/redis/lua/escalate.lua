-- Writes the events of notifications that are pending and due for escalation, and remembers that they were written. Returns for
-- each whether its event was written.
local written = {}
for row in escalations() do
  local member = row.offset .. ' ' .. row.user
  local due = call('ZSCORE', prefix .. 'escalations', member)
  local is_written = 0
  if due and tonumber(due) <= now then
    call('ZREM', prefix .. 'escalations', member)
    local fields = at_offset({pending = prefix .. 'pending:' .. row.user}, row.offset)
    if fields and tonumber(fields[4]) > now and row.event_id ~= '' then
      call('HSET', prefix .. 'escalated:' .. row.user, row.offset, due)
      report(row.event_id, row.event_key, row.event_at, row.event_body, 'none', '', row.event_source)
      is_written = 1
    end
  end
  written[#written + 1] = is_written
end
return {request, epoch, overflowed, written}
