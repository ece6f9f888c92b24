-- Appends the entry of one request, if its append is usual. Otherwise the script goes on to `append.lua`.
if redaction_offset == '' then
  local offset, count = append_known({
    topic = topic, shard = shard, is_subscribed = announcer_is_subscribed and '1', idempotency_key = idempotency_key,
    content = content, id = id, body = body, max_entries = max_entries, max_age = max_age, event_id = event_id,
    event_key = event_key, event_at = event_at, event_body = event_body, event_source = event_source,
  })
  if offset then return {request, epoch, offset, id, 0, count, overflowed} end
end
