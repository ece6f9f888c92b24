-- Stores a block of a user. It replaces an earlier block of the same kind. Replies 0 if the user has too many blocks.
local block = cjson.decode(row)
local kept = {}
for _, other in ipairs(load_blocks(user_id)) do
  local is_same_kind = (other.b ~= nil) == (block.b ~= nil) and other.j == block.j
  if tonumber(other.u) > now and not is_same_kind then kept[#kept + 1] = other end
end
if #kept >= max_blocks then return {request, epoch, 0} end
kept[#kept + 1] = block
save_blocks(user_id, kept, now, remembered)
return {request, epoch, 1}
