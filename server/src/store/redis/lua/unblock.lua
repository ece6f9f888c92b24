-- Ends every block of a user.
local user, now, remembered = arg(), moment(), number()
local count = 0
local blocks = load_blocks(user)
for _, block in ipairs(blocks) do
  if tonumber(block.u) > now then count = count + 1 end
end
if #blocks > 0 then save_blocks(user, {}, now, remembered) end
return {request, epoch, count}
