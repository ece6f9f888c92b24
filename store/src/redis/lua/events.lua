-- Events for backend services: each is written in the same step as the change that it reports, to the outbox and for each
-- webhook that takes it. `outbox_limit` is empty if no outbox is kept. `outbox_webhooks` has a line for each webhook: its name,
-- `all` or `clients` for the sources of its events, and patterns of Lua for a routing key with a dot at its end.
local overflowed = 0
local webhooks
local function parse_webhooks()
  webhooks = {}
  for name, sources, patterns in string.gmatch(outbox_webhooks, '(%S+) (%S+)([^\n]*)\n') do
    local webhook = { stream = prefix .. 'webhook:' .. name, takes_all = sources == 'all' }
    for pattern in string.gmatch(patterns, '%S+') do webhook[#webhook + 1] = pattern end
    webhooks[#webhooks + 1] = webhook
  end
end
local function takes(webhook, key, source)
  if source == 'backend' and not webhook.takes_all then return false end
  for _, pattern in ipairs(webhook) do
    if string.find(key, pattern) then return true end
  end
  return false
end
local function report(id, routing_key, at, body, kind, detail, source)
  if outbox_webhooks ~= '' then
    if not webhooks then parse_webhooks() end
    for _, webhook in ipairs(webhooks) do
      if takes(webhook, routing_key .. '.', source) then
        call('XADD', webhook.stream, '*', 'n', outbox_node, 'i', id, 'k', routing_key, 't', at, 'b', body, 'd', kind,
          'v', detail, 's', at)
      end
    end
  end
  if outbox_limit == '' then return end
  if call('XLEN', prefix .. 'outbox') >= tonumber(outbox_limit) then
    overflowed = overflowed + 1
    return
  end
  call('XADD', prefix .. 'outbox', '*', 'n', outbox_node, 'i', id, 'k', routing_key, 't', at, 'b', body, 'd', kind, 'v', detail)
end
