-- Sets how many sessions a node has of a user in a clan.
local own, clan, user, sessions = arg(), arg(), arg(), number()
local nodes, was = load_presence(clan, user)
if sessions > 0 then
  nodes[own] = sessions
  hold(own, 'p ' .. clan .. ' ' .. user)
else
  nodes[own] = nil
  call('SREM', base .. 'held:' .. own, 'p ' .. clan .. ' ' .. user)
end
local is = save_presence(clan, user, nodes, was)
return {request, epoch, (is and not was) and 'came' or (was and not is) and 'left' or 'none'}
