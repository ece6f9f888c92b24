-- Sets how many sessions a node has of a user in a clan.
local nodes, was_present = load_presence(clan_id, user_id)
if sessions > 0 then
  nodes[incarnation] = sessions
  hold(incarnation, 'p ' .. clan_id .. ' ' .. user_id)
else
  nodes[incarnation] = nil
  call('SREM', prefix .. 'held:' .. incarnation, 'p ' .. clan_id .. ' ' .. user_id)
end
local is_present = save_presence(clan_id, user_id, nodes, was_present)
return {request, epoch, (is_present and not was_present) and 'came' or (was_present and not is_present) and 'left' or 'none'}
