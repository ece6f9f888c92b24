-- Admission: the rules of `store/src/admission.rs`, where they are listed, in the same order. Both pass the test vectors of
-- `store/vectors/admission.json`.
--
-- Returns an outcome, the live sessions after it, and the evicted sessions. `policy` has max, rejects, by_device and
-- max_devices.
local function admit(live, record, policy)
  local rejects, replaced = policy.rejects, {}
  local function is_same_instance(other) return record.k ~= nil and other.k == record.k end
  for _, other in ipairs(live) do
    if is_same_instance(other) and (other.a or '') > (record.a or '') then return 'superseded' end
  end
  for _, other in ipairs(live) do
    if is_same_instance(other) then replaced[other.i] = true end
  end
  local function staying(matches)
    local found = {}
    for _, other in ipairs(live) do
      if other.i ~= record.i and not replaced[other.i] and matches(other) then found[#found + 1] = other end
    end
    return found
  end
  local function all() return true end
  local function is_same_device(other) return other.d == record.d end
  local counted
  if policy.by_device then
    -- Never reject here: a client that lost its connection would be locked out by its own earlier session.
    if record.d then rejects = false end
    counted = staying(is_same_device)
  else
    if record.d then
      for _, other in ipairs(staying(is_same_device)) do replaced[other.i] = true end
    end
    counted = staying(all)
  end
  local excess = #counted + 1 - policy.max
  if excess > 0 and (rejects or policy.max == 0) then return 'refused' end
  for i = 1, math.min(excess, #counted) do replaced[counted[i].i] = true end
  if policy.by_device then
    local devices, seen = {}, {}
    for _, other in ipairs(staying(function(other) return other.d ~= record.d end)) do
      local device = other.d or ''
      if not seen[device] then
        seen[device] = true
        devices[#devices + 1] = device
      end
    end
    for i = 1, #devices + 1 - math.max(policy.max_devices, 1) do
      for _, other in ipairs(staying(function(other) return (other.d or '') == devices[i] end)) do
        replaced[other.i] = true
      end
    end
  end
  local evicted = {}
  for _, other in ipairs(live) do
    if replaced[other.i] and other.i ~= record.i then evicted[#evicted + 1] = other end
  end
  replaced[record.i] = true
  local living = without(live, replaced)
  living[#living + 1] = record
  return 'admitted', living, evicted
end
-- Restores a session: inserts it by its age, then by its id, and admits all sessions in this order. Returns what `admit`
-- returns.
local function restore(live, record, policy)
  local all, is_inserted = {}, false
  for _, other in ipairs(live) do
    -- A record with the same id belongs to another incarnation of the node, and is replaced.
    if other.i ~= record.i then
      local since, own_since = tonumber(other.s), tonumber(record.s)
      if not is_inserted and (since > own_since or (since == own_since and other.i > record.i)) then
        all[#all + 1] = record
        is_inserted = true
      end
      all[#all + 1] = other
    end
  end
  if not is_inserted then all[#all + 1] = record end
  local replacing = { max = policy.max, rejects = false, by_device = policy.by_device, max_devices = policy.max_devices }
  local living = {}
  for _, other in ipairs(all) do
    local _, after = admit(living, other, replacing)
    living = after or living
  end
  local is_living, evicted = {}, {}
  for _, other in ipairs(living) do is_living[other.i] = true end
  for _, other in ipairs(live) do
    if not is_living[other.i] then evicted[#evicted + 1] = other end
  end
  return is_living[record.i] and 'admitted' or 'superseded', living, evicted
end
