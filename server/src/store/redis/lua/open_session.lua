-- Admits a session, evicting others, or refuses it; with `restore` it takes its old place among them.
local way, own, now, version, row = arg(), arg(), text(moment()), arg(), arg()
local policy = { max = number(), reject = arg() == 'reject', by_device = arg() == 'device', max_devices = number() }
local issued, id = arg(), arg()
local record = cjson.decode(row)
local block = blocking(record.u, issued, id, now)
if block then return {request, epoch, 0, 'blocked', cjson.encode(block)} end
local live = load_sessions(record.u)
local verdict, living, evicted
if way == 'open' then
  verdict, living, evicted = admit(live, record, policy)
else
  local all, placed = {}, false
  for _, other in ipairs(live) do
    if other.i == record.i then
      if other.c == own then
        hold(own, 's ' .. record.i .. ' ' .. record.u)
        return {request, epoch, 0, 'admitted', '[]'}
      end
    else
      local since, mine = tonumber(other.s), tonumber(record.s)
      if not placed and (since > mine or (since == mine and other.i > record.i)) then
        all[#all + 1] = record
        placed = true
      end
      all[#all + 1] = other
    end
  end
  if not placed then all[#all + 1] = record end
  -- Those that came are admitted again, one after the other, as if they came now.
  policy.reject = false
  living = {}
  for _, other in ipairs(all) do
    local _, after = admit(living, other, policy)
    living = after or living
  end
  local is_living = {}
  for _, other in ipairs(living) do is_living[other.i] = true end
  verdict = is_living[record.i] and 'admitted' or 'superseded'
  evicted = {}
  for _, other in ipairs(live) do
    if not is_living[other.i] then evicted[#evicted + 1] = other end
  end
end
if verdict ~= 'admitted' then return {request, epoch, 0, verdict, '[]'} end
save_sessions(record.u, living)
for _, other in ipairs(evicted) do evict(other, own, now, version) end
opened(record, now)
return {request, epoch, overflowed, 'admitted', #evicted == 0 and '[]' or cjson.encode(evicted)}
