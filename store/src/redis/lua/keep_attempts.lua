-- Remembers how often waiting events of a webhook were sent.
for event in events() do
  if #call('XRANGE', prefix .. 'webhook:' .. webhook, event.id, event.id) > 0 then
    call('HSET', prefix .. 'webhook_attempts:' .. webhook, event.id, event.attempts)
  end
end
return {request, epoch}
