-- Sets how many sessions a node has of a user in a topic, and the data of the user unless it is empty.
local nodes, was_present = load_presence(topic, user_id)
if sessions > 0 then
  nodes[incarnation] = sessions
  hold(incarnation, held_presence(topic, user_id))
else
  nodes[incarnation] = nil
  call('SREM', prefix .. 'held:' .. incarnation, held_presence(topic, user_id))
end
local is_present = save_presence(topic, user_id, nodes, was_present)
local updated = false
if sessions > 0 and data ~= '' then
  local _, _, key = presence_keys(topic)
  updated = call('HGET', key, user_id) ~= data
  if updated then call('HSET', key, user_id, data) end
end
local change = 'none'
if is_present and not was_present then
  change = 'came'
elseif was_present and not is_present then
  change = 'left'
elseif updated then
  change = 'updated'
end
return {request, epoch, change}
