-- Appends an entry, unless its key came within the window. With the key stands what the message says, as a digest of
-- hexadecimal digits: another message with the same key is a conflict.
local believed, topic, shard, now, window, keep = arg(), arg(), arg(), moment(), number(), arg()
local name, content, id, body, max_entries, max_age = arg(), arg(), arg(), arg(), number(), number()
local redacted, replacement = arg(), arg()
local event_id, event_key, event_at, event_body = arg(), arg(), arg(), arg()
if believed ~= epoch then return {-request, epoch} end
local at = text(now)
local repeated = name ~= '' and base .. 'repeat:' .. topic .. ' ' .. name
if repeated then
  local known = call('GET', repeated)
  if known then
    local first_at, offset, first_id, first_content = string.match(known, '^(%d+) (%d+) (%S+) ?(%x*)$')
    if tonumber(first_at) + window > now then
      if is_conflict(first_content, content) then return {request, epoch, CONFLICT} end
      local count = call('HGET', base .. 'shards', shard) or 0
      return {request, epoch, tonumber(offset), first_id, 1, tonumber(count), 0}
    end
  end
end
local log = open_log(topic)
if redacted ~= '' then
  local offset = tonumber(redacted)
  if offset >= log.floor and offset <= log.head then
    local first_at = accepted(log, offset) or now
    call('XDEL', log.entries, redacted .. '-0')
    call('HSET', log.redacted, redacted, text(first_at) .. ' ' .. replacement)
    call('HSET', log.row, 'r', '1')
    log.has_redacted = true
    forget_redacted(log)
  end
end
local other_age = log.known and not log.restored and log.max_age ~= max_age
if other_age then
  -- What was too old under the retention before does not come back under the new one.
  log.floor = young(log, now)
end
log.max_age = max_age
log.head = log.head + 1
log.floor = math.max(log.floor, log.head + 1 - max_entries)
local head = text(log.head)
if log.floor > 1 then
  -- Whole blocks of the stream go, so that trimming costs next to nothing; reads begin at the floor.
  call('XADD', log.entries, 'MINID', '~', text(log.floor) .. '-0', head .. '-0', 't', at, 'b', body)
else
  call('XADD', log.entries, head .. '-0', 't', at, 'b', body)
end
call('HSET', log.row, 'h', head, 'f', text(log.floor), 'a', text(max_age))
if log.restored and log.has_redacted then call('HSET', log.row, 'r', '1') end
keep_mark(topic, log.row, log.mark, log.head)
-- The index may say too early a time, never too late a one, so that most appends leave it alone.
if other_age or not log.due then index_age(log) end
if repeated then call('SET', repeated, at .. ' ' .. head .. ' ' .. id .. ' ' .. content, 'PX', keep) end
local count = call('HINCRBY', base .. 'shards', shard, 1)
if event_id ~= '' then report(event_id, event_key, event_at, event_body, 'entry', head .. ' ' .. epoch) end
return {request, epoch, log.head, id, 0, count, overflowed}
