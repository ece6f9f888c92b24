-- The dead letters of a webhook: a stream `webhook_dead`, whose rows have the fields of a waiting event without `s`, and
-- r reason, c how often it was sent, f when it was given up; and a hash `webhook_dead_ids` with the row of each event's id.
local dead, dead_ids = prefix .. 'webhook_dead:' .. webhook, prefix .. 'webhook_dead_ids:' .. webhook
-- Removes a dead letter, and returns its fields.
local function take_dead(id)
  local row = call('HGET', dead_ids, id)
  if not row then return nil end
  local found = call('XRANGE', dead, row, row)[1]
  call('HDEL', dead_ids, id)
  call('XDEL', dead, row)
  return found and found[2]
end
