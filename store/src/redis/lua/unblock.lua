-- Ends every block of a user.
local count = 0
local blocks = load_blocks(user_id)
for _, block in ipairs(blocks) do
  if tonumber(block.u) > now then count = count + 1 end
end
if #blocks > 0 then save_blocks(user_id, {}, now, remembered) end
return {request, epoch, count}
