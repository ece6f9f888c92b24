-- Returns the offset and the id of an earlier append with an idempotency key: no offset without one, CONFLICT for another
-- message with the key.
local offset, id = earlier_append(topic, idempotency_key, content, window, now)
if offset then return {request, epoch, 1, offset, id or ''} end
return {request, epoch, 0}
