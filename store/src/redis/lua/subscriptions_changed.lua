-- Notifies every node on which a user has a session that the server-side subscriptions of the user have changed.
local function notify_sessions(user)
  local notified = {}
  for _, session in ipairs(load_sessions(user)) do
    if not notified[session.c] then
      notified[session.c] = true
      post(session.c, version, '{"type":"subscriptions_changed","userId":' .. cjson.encode(user) .. '}')
    end
  end
end
