-- Removes sessions and presence of nodes whose leases have ended, a bounded number at a time.
local own, now, left = arg(), text(moment()), number()
local sessions, absent, more = 0, {}, 0
for _, incarnation in ipairs(call('HKEYS', base .. 'nodes')) do
  if incarnation ~= own and call('EXISTS', base .. 'lease:' .. incarnation) == 0 then
    local held = base .. 'held:' .. incarnation
    for _, what in ipairs(left > 0 and call('SPOP', held, left) or {}) do
      left = left - 1
      local kind, name, user = string.match(what, '^(%S+) (%S+) (%S+)$')
      if kind == 's' then
        local live = load_sessions(user)
        for _, record in ipairs(live) do
          if record.i == name and record.c == incarnation then
            save_sessions(user, without(live, { [name] = true }))
            closed(record, 1006, now)
            sessions = sessions + 1
          end
        end
      else
        local nodes, was = load_presence(name, user)
        if nodes[incarnation] then
          nodes[incarnation] = nil
          if not save_presence(name, user, nodes, was) then
            absent[#absent + 1] = name
            absent[#absent + 1] = user
          end
        end
      end
    end
    if call('EXISTS', held) == 0 then
      call('HDEL', base .. 'nodes', incarnation)
      call('DEL', base .. 'inbox:' .. incarnation)
    else
      more = 1
    end
  end
end
return {request, epoch, overflowed, sessions, more, absent}
