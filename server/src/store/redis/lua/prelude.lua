-- What every script begins with. KEYS[1] is the hash `{prefix}:store`, and every other key begins as it does, so that
-- all of them lie in one slot of a cluster. A reply begins with 1 and the epoch, or with 0 when the script did nothing
-- because there is no epoch, or another one than the caller believes.
local call = redis.call
local base = string.sub(KEYS[1], 1, -6)
local taken = 0
local function arg() taken = taken + 1 return ARGV[taken] end
local function number() return tonumber(arg()) end
-- Numbers in texts: Lua's own way keeps 14 digits only.
local function text(value) return string.format('%.0f', value) end
local epoch = call('HGET', KEYS[1], 'epoch')
if not epoch then return {0, ''} end
