-- Returns the oldest waiting events of a webhook after an id.
return {request, epoch, read_rows(prefix .. 'webhook:' .. webhook, '(' .. after)}
