-- Admits a session and evicts others, or refuses it. `is_restored` is set if it was admitted before and its record was
-- lost.
local record = cjson.decode(row)
local block = matching_block(record.u, token_issued_at, token_id, now)
if block then return {request, epoch, 0, 'blocked', cjson.encode(block)} end
local live = load_sessions(record.u)
for _, other in ipairs(live) do
  if is_restored and other.i == record.i and other.c == incarnation then
    hold(incarnation, 's ' .. record.i .. ' ' .. record.u)
    return {request, epoch, 0, 'admitted', '[]'}
  end
end
local policy = { max = max, rejects = rejects, by_device = by_device, max_devices = max_devices }
local outcome, living, evicted = (is_restored and restore or admit)(live, record, policy)
if outcome ~= 'admitted' then return {request, epoch, 0, outcome, '[]'} end
save_sessions(record.u, living)
for _, other in ipairs(evicted) do
  closed(other, 4409, text(now))
  if other.c ~= incarnation then
    local message = '{"type":"close","userId":' .. cjson.encode(other.u) .. ',"sessionId":' .. cjson.encode(other.i)
    post(other.c, version, message .. ',"code":4409}')
  end
end
opened(record, text(now))
return {request, epoch, overflowed, 'admitted', #evicted == 0 and '[]' or cjson.encode(evicted)}
