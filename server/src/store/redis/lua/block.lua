-- Keeps a block, in place of an earlier one of its kind.
local user, now, remembered, most, row = arg(), moment(), number(), number(), arg()
local block = cjson.decode(row)
local kept = {}
for _, other in ipairs(load_blocks(user)) do
  local is_same_kind = (other.b ~= nil) == (block.b ~= nil) and other.j == block.j
  if tonumber(other.u) > now and not is_same_kind then kept[#kept + 1] = other end
end
if #kept >= most then return {request, epoch, 0} end
kept[#kept + 1] = block
save_blocks(user, kept, now, remembered)
return {request, epoch, 1}
