-- Removes events from the outbox, 100 with each command, because `unpack` is limited.
local some = {}
for id in ids() do
  some[#some + 1] = id
  if #some == 100 then
    call('XDEL', prefix .. 'outbox', unpack(some))
    some = {}
  end
end
if #some > 0 then call('XDEL', prefix .. 'outbox', unpack(some)) end
return {request, epoch}
