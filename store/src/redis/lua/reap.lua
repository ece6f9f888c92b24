-- Removes sessions and presence of nodes whose leases have ended, a bounded number at a time.
local left = max_rows
local sessions, absent, more = 0, {}, 0
for _, node in ipairs(call('HKEYS', prefix .. 'nodes')) do
  if node ~= incarnation and call('EXISTS', prefix .. 'lease:' .. node) == 0 then
    local held = prefix .. 'held:' .. node
    for _, member in ipairs(left > 0 and call('SPOP', held, left) or {}) do
      left = left - 1
      local kind, name, user = string.match(member, '^(%S+) (%S+) (%S+)$')
      if kind == 's' then
        local live = load_sessions(user)
        for _, record in ipairs(live) do
          if record.i == name and record.c == node then
            save_sessions(user, without(live, { [name] = true }))
            closed(record, 1006, text(now))
            sessions = sessions + 1
          end
        end
      else
        local topic = kind == 'p' and 'clan:' .. name or name
        local nodes, was_present = load_presence(topic, user)
        if nodes[node] then
          nodes[node] = nil
          if not save_presence(topic, user, nodes, was_present) then
            absent[#absent + 1] = topic
            absent[#absent + 1] = user
          end
        end
      end
    end
    if call('EXISTS', held) == 0 then
      call('HDEL', prefix .. 'nodes', node)
      call('DEL', prefix .. 'inbox:' .. node)
    else
      more = 1
    end
  end
end
return {request, epoch, overflowed, sessions, more, absent}
