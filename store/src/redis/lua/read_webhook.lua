-- Returns the oldest waiting events of a webhook after an id, and how often each was sent: the hash `webhook_attempts` has the
-- number for each event that was sent in vain.
local rows, ids = read_rows(prefix .. 'webhook:' .. webhook, '(' .. after), {}
for n, row in ipairs(rows) do ids[n] = row[1] end
local attempts = #ids > 0 and call('HMGET', prefix .. 'webhook_attempts:' .. webhook, unpack(ids)) or {}
for n, number in ipairs(attempts) do attempts[n] = number or '0' end
return {request, epoch, rows, attempts}
