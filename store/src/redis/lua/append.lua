-- Appends an entry to any log, unless its idempotency key was used within the window (`earlier.lua`). The key is stored
-- with the digest of the message (hexadecimal digits).
local at = text(now)
local repeated = idempotency_key ~= '' and prefix .. 'repeat:' .. topic .. ' ' .. idempotency_key
local first, first_id = earlier_append(topic, idempotency_key, content, window, now)
if first == CONFLICT then return {request, epoch, CONFLICT} end
if first then
  local count = call('HGET', prefix .. 'shards', shard) or 0
  return {request, epoch, first, first_id, 1, tonumber(count), 0}
end
local log = open_log(topic)
if redaction_offset ~= '' then
  local offset = tonumber(redaction_offset)
  if offset >= log.floor and offset <= log.head then
    local first_at = accepted_at(log, offset) or now
    call('XDEL', log.entries, redaction_offset .. '-0')
    call('HSET', log.redacted, redaction_offset, text(first_at) .. ' ' .. redaction_body)
    call('HSET', log.row, 'r', '1')
    log.has_redacted = true
    prune_redacted(log)
  end
end
local other_age = log.known and not log.restored and log.max_age ~= max_age
if other_age then
  -- Entries that were too old under the earlier retention stay removed under the new one.
  log.floor = first_within_age(log, now)
end
log.max_age = max_age
log.head = log.head + 1
log.floor = math.max(log.floor, log.head + 1 - max_entries)
local head = text(log.head)
if log.floor > 1 then
  -- `~` removes whole blocks of the stream only, which is cheap. Reads begin at the floor, so they do not see the rest.
  call('XADD', log.entries, 'MINID', '~', text(log.floor) .. '-0', head .. '-0', 't', at, 'b', body)
else
  call('XADD', log.entries, head .. '-0', 't', at, 'b', body)
end
call('HSET', log.row, 'h', head, 'f', text(log.floor), 'a', text(max_age))
if log.restored and log.has_redacted then call('HSET', log.row, 'r', '1') end
keep_mark(topic, log.row, log.mark, log.head)
-- The time in the index may be too early, but never too late. So most appends do not have to write it.
if other_age or not log.due then index_age(log) end
if repeated then call('SET', repeated, at .. ' ' .. head .. ' ' .. id .. ' ' .. content, 'PX', kept_for) end
local count = call('HINCRBY', prefix .. 'shards', shard, 1)
if event_id ~= '' then report(event_id, event_key, event_at, event_body, 'entry', head .. ' ' .. epoch, event_source) end
announce(topic, shard, announcer_is_subscribed, count, head, at, body)
return {request, epoch, log.head, id, 0, count, overflowed}
