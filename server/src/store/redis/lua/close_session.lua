-- Removes a session's record, if it is there.
local user, id, code, now = arg(), arg(), arg(), text(moment())
local live = load_sessions(user)
for _, record in ipairs(live) do
  if record.i == id then
    save_sessions(user, without(live, { [id] = true }))
    closed(record, code, now)
  end
end
return {request, epoch, overflowed}
