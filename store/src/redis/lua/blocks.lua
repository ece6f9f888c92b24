-- Blocks: per user a text `blocks`, a list of: u until, s since, b rejects tokens issued before this time, j rejects the
-- token with this jti, r reason. Times are texts. `blocks_changed` has the users by the revision of their last change,
-- `blocks_until` by the time at which they may be forgotten, `blocks_revision` counts changes.
local function load_blocks(user)
  local row = call('GET', prefix .. 'blocks:' .. user)
  return row and cjson.decode(row) or {}
end
-- Returns the block that rejects a token, if there is one. `issued` and `id` are empty if the token has no such claim.
local function matching_block(user, issued, id, now)
  for _, block in ipairs(load_blocks(user)) do
    local applies = not block.b or issued == '' or tonumber(issued) < tonumber(block.b)
    if block.j and block.j ~= id then applies = false end
    if applies and tonumber(block.u) > tonumber(now) then return block end
  end
end
local function save_blocks(user, blocks, now, remembered)
  local ends = now + remembered
  for _, block in ipairs(blocks) do ends = math.max(ends, tonumber(block.u)) end
  if #blocks == 0 then
    call('DEL', prefix .. 'blocks:' .. user)
  else
    call('SET', prefix .. 'blocks:' .. user, cjson.encode(blocks))
  end
  call('ZADD', prefix .. 'blocks_until', text(ends), user)
  call('ZADD', prefix .. 'blocks_changed', text(call('INCR', prefix .. 'blocks_revision')), user)
end
