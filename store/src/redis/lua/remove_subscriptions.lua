-- Removes server-side subscriptions of a user to a topic, or to all topics of the service if `topic` is empty. Returns
-- their number.
local kept, count = {}, 0
for _, other in ipairs(live_subscriptions(user_id, now)) do
  if other.s == service and (topic == '' or other.t == topic) then
    count = count + 1
  else
    kept[#kept + 1] = other
  end
end
if count > 0 then
  save_subscriptions(user_id, kept)
  notify_sessions(user_id)
end
return {request, epoch, count}
