-- Blocks: per user a text `blocks`, a list of: u until, s since, b keeps out tokens issued before it, j keeps out the
-- token with this jti, r reason. Times are texts. `blocks_changed` has the users by the revision of their last change,
-- `blocks_until` by the time at which they may be forgotten, `blocks_revision` counts changes.
local function load_blocks(user)
  local row = call('GET', base .. 'blocks:' .. user)
  return row and cjson.decode(row) or {}
end
-- The block that keeps a token out; `issued` and `id` are empty when the token does not say so.
local function blocking(user, issued, id, now)
  for _, block in ipairs(load_blocks(user)) do
    local is_meant = not block.b or issued == '' or tonumber(issued) < tonumber(block.b)
    if block.j and block.j ~= id then is_meant = false end
    if is_meant and tonumber(block.u) > tonumber(now) then return block end
  end
end
local function save_blocks(user, blocks, now, remembered)
  local ends = now + remembered
  for _, block in ipairs(blocks) do ends = math.max(ends, tonumber(block.u)) end
  if #blocks == 0 then
    call('DEL', base .. 'blocks:' .. user)
  else
    call('SET', base .. 'blocks:' .. user, cjson.encode(blocks))
  end
  call('ZADD', base .. 'blocks_until', text(ends), user)
  call('ZADD', base .. 'blocks_changed', text(call('INCR', base .. 'blocks_revision')), user)
end
