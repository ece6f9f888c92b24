-- What every script begins with. KEYS[1] is the hash `{prefix}:store`, and every other key begins as it does, so that
-- all of them lie in one slot of a cluster. The first argument is the number of the request. A reply begins with this
-- number and the epoch, or with the negative number when the script did nothing because there is no epoch, or because
-- the epoch is not the one that the caller named.
local call = redis.call
local base = string.sub(KEYS[1], 1, -6)
local taken = 0
local function arg() taken = taken + 1 return ARGV[taken] end
local function number() return tonumber(arg()) end
local request = number()
-- Numbers in texts: Lua's own way keeps 14 digits only.
local function text(value) return string.format('%.0f', value) end
-- The time of this server, in milliseconds. It decides what is deleted, expired or remembered: the clocks of nodes may
-- differ.
local function server_time()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
-- The time that a script goes by: that of this server. `~` begins what the node expects of it, by what it was before and
-- the monotonic clock of the node's machine. If they do not agree, the clock of this server has jumped, and the expected
-- time decides. Only tests and copies name a time without `~`.
local TOLERANCE = 5000
local function moment()
  local given = arg()
  local expected = tonumber(string.match(given, '^~(%d+)$'))
  if given ~= '' and not expected then return tonumber(given) end
  local now = server_time()
  if expected and math.abs(now - expected) > TOLERANCE then return expected end
  return now
end
-- What a script answers instead of an offset when an id stands for other content.
local CONFLICT = 0
-- Whether what a message says differs from what the first one with its id said, where that is known.
local function is_conflict(first, content) return first ~= '' and first ~= content end
local epoch = call('HGET', KEYS[1], 'epoch')
if not epoch then return {-request, ''} end
