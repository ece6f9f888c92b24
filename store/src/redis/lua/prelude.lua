-- The beginning of every script. KEYS[1] is the hash `{prefix}:store`. Every other key has the same prefix, so that all
-- keys are in one slot of a cluster. A reply begins with the number of the request and the epoch. It begins with the
-- negative number if the script did nothing, because there is no epoch or because the epoch is not the expected one.
-- After this piece, generated code gives every other argument its name (`scripts.rs`).
local call = redis.call
local prefix = string.sub(KEYS[1], 1, -6)
local request = tonumber(ARGV[1])
-- Formats a number. `tostring` would round it to 14 digits.
local function text(value) return string.format('%.0f', value) end
-- Returns the time of this server, in milliseconds. It decides what is deleted, expired or remembered, because the clocks
-- of nodes may differ.
local function server_time()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
-- Returns the time that the script has to use, from the argument `now`: the time of this server. The argument may be `~`
-- and the time that the node expects, which it calculates from an earlier time of the server and its own monotonic clock.
-- If the two differ, the clock of this server has jumped, and the expected time is used. Only tests and copies pass a time
-- without `~`.
local TOLERANCE = 5000
local function script_time(given)
  local expected = tonumber(string.match(given, '^~(%d+)$'))
  if given ~= '' and not expected then return tonumber(given) end
  local now = server_time()
  if expected and math.abs(now - expected) > TOLERANCE then return expected end
  return now
end
-- The offset in a reply if the id was used before with other content.
local CONFLICT = 0
-- Returns whether the digest of a message differs from that of the first message with its id. `first` is empty if unknown.
local function is_conflict(first, content) return first ~= '' and first ~= content end
local epoch = call('HGET', KEYS[1], 'epoch')
if not epoch then return {-request, ''} end
