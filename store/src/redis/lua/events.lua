-- The outbox: an event is written in the same step as the change that it reports. `outbox_limit` is empty if no outbox is
-- kept.
local overflowed = 0
local function report(id, routing_key, at, body, kind, detail)
  if outbox_limit == '' then return end
  if call('XLEN', prefix .. 'outbox') >= tonumber(outbox_limit) then
    overflowed = overflowed + 1
    return
  end
  call('XADD', prefix .. 'outbox', '*', 'n', outbox_node, 'i', id, 'k', routing_key, 't', at, 'b', body, 'd', kind, 'v', detail)
end
