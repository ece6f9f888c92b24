-- The outbox: events are written in the step that they report. `max` is empty when nobody would read them.
local node, max_events = arg(), arg()
local overflowed = 0
local function report(id, routing_key, at, body, kind, detail)
  if max_events == '' then return end
  if call('XLEN', base .. 'outbox') >= tonumber(max_events) then
    overflowed = overflowed + 1
    return
  end
  call('XADD', base .. 'outbox', '*', 'n', node, 'i', id, 'k', routing_key, 't', at, 'b', body, 'd', kind, 'v', detail)
end
