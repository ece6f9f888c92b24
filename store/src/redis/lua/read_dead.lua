-- Returns the oldest dead letters of a webhook after the one with an event's id; nothing if there is none with this id.
local first = '-'
if after ~= '' then
  local row = call('HGET', prefix .. 'webhook_dead_ids:' .. webhook, after)
  if not row then return {request, epoch, 0, {}} end
  first = '(' .. row
end
return {request, epoch, 1, read_rows(prefix .. 'webhook_dead:' .. webhook, first)}
