-- Stores a server-side subscription of a user. It replaces an earlier one to the same topic. Replies 0 if the user has too
-- many others.
local subscription = cjson.decode(row)
local kept, replaces = {}, false
for _, other in ipairs(live_subscriptions(user_id, now)) do
  if other.s == subscription.s and other.t == subscription.t then
    replaces = true
  else
    kept[#kept + 1] = other
  end
end
if not replaces and #kept >= max_subscriptions then return {request, epoch, 0} end
kept[#kept + 1] = subscription
save_subscriptions(user_id, kept)
notify_sessions(user_id)
return {request, epoch, 1}
