-- Removes the record of a session, if it exists.
local live = load_sessions(user_id)
for _, record in ipairs(live) do
  if record.i == session_id then
    save_sessions(user_id, without(live, { [session_id] = true }))
    closed(record, code, text(now))
  end
end
return {request, epoch, overflowed}
