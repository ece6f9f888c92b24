-- Server-side subscriptions: per user a text `subscriptions`, a list of: s service, t topic, a when it was added, u until
-- (absent if it ends only by its removal). Times are texts. `subscription_ends` has the users by the first end.
local function load_subscriptions(user)
  local row = call('GET', prefix .. 'subscriptions:' .. user)
  return row and cjson.decode(row) or {}
end
local function save_subscriptions(user, subscriptions)
  local first
  for _, subscription in ipairs(subscriptions) do
    local ends = tonumber(subscription.u)
    if ends and (not first or ends < first) then first = ends end
  end
  if #subscriptions == 0 then
    call('DEL', prefix .. 'subscriptions:' .. user)
  else
    call('SET', prefix .. 'subscriptions:' .. user, cjson.encode(subscriptions))
  end
  if first then
    call('ZADD', prefix .. 'subscription_ends', text(first), user)
  else
    call('ZREM', prefix .. 'subscription_ends', user)
  end
end
-- Returns the subscriptions of a user that have not ended.
local function live_subscriptions(user, now)
  local live = {}
  for _, subscription in ipairs(load_subscriptions(user)) do
    if not subscription.u or tonumber(subscription.u) > tonumber(now) then live[#live + 1] = subscription end
  end
  return live
end
