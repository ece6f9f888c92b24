-- The fast path of most appends: the log exists, has no redacted entry, and keeps its retention and its mark. It needs
-- nothing of `logs.lua`, whose functions are created only if the script continues with `append.lua`. Both do the same for
-- such a log. Returns the offset and the counter of the shard. In any other case it changes nothing and returns nothing.
-- After an error, `has_written` says whether the entry was written. The fields of `entry` are texts.
if expected_epoch ~= epoch then return {-request, epoch} end
local has_written = false
local function append_known(entry)
  local topic, body, max_age = entry.topic, entry.body, tonumber(entry.max_age)
  local at = text(now)
  local repeated = entry.idempotency_key ~= '' and prefix .. 'repeat:' .. topic .. ' ' .. entry.idempotency_key
  if repeated and call('EXISTS', repeated) == 1 then return end
  local row_key = prefix .. 'log:' .. topic
  local row = call('HMGET', row_key, 'h', 'f', 'a', 'd', 'r', 'm')
  local number = row[1] and tonumber(row[1]) + 1
  if not number or row[5] or not row[4] or tonumber(row[3]) ~= max_age or not row[6] or number > tonumber(row[6]) then
    return
  end
  local floor, head = number + 1 - tonumber(entry.max_entries), text(number)
  if floor > tonumber(row[2]) then
    local first = text(floor)
    -- `~` removes whole blocks of the stream only, which is cheap. Reads begin at the floor, so they do not see the rest.
    call('XADD', prefix .. 'entries:' .. topic, 'MINID', '~', first .. '-0', head .. '-0', 't', at, 'b', body)
    has_written = true
    call('HSET', row_key, 'h', head, 'f', first)
  else
    call('XADD', prefix .. 'entries:' .. topic, head .. '-0', 't', at, 'b', body)
    has_written = true
    call('HSET', row_key, 'h', head)
  end
  if repeated then
    call('SET', repeated, at .. ' ' .. head .. ' ' .. entry.id .. ' ' .. entry.content, 'PX', kept_for)
  end
  local count = call('HINCRBY', prefix .. 'shards', entry.shard, 1)
  if entry.event_id ~= '' then
    report(entry.event_id, entry.event_key, entry.event_at, entry.event_body, 'entry', head .. ' ' .. epoch,
      entry.event_source)
  end
  announce(topic, entry.shard, entry.is_subscribed == '1', count, head, at, body)
  return number, count
end
