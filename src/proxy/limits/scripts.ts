/**
 * What happens in the store in one piece: an exchange in one place, and a proxy's word that it is
 * there.
 *
 * A place is one hash: `version`, `text`, and `waiting`, which says for each proxy that waits since
 * when, for what, and until when that is believed. Every key expires. The server's own clock is the
 * only one that is read. All keys of a script are in one slot.
 */

/**
 * KEYS: the place. ARGV: proxy, expected version, next version (empty: only look), text, how long
 * to keep it, what is waited for (empty: nothing), whether it had its turn, how long its waiting is
 * believed, what the channels of proxies begin with, the place's name, which is told to those who
 * wait for it. Answers the time in seconds and microseconds,
 * whether the version was the expected one, the version now, the text if it was not, and what those
 * ahead wait for.
 */
export const EXCHANGE_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, place = ARGV[1], KEYS[1]
local stored = redis.call('HMGET', place, 'version', 'text', 'waiting')
local version, text = stored[1] or '', stored[2]
local expected = version == ARGV[2]

local waiting = cjson.decode(stored[3] or '{}')
local mine = waiting[me]
if mine and ((expected and ARGV[7] == '1') or ARGV[6] == '') then mine = nil end
if ARGV[6] ~= '' then
  mine = { since = mine and mine.since or now, kept = now + ARGV[8], what = ARGV[6] }
end
waiting[me] = mine

local ahead, others, waits = {}, {}, false
for proxy, one in pairs(waiting) do
  if one.kept <= now then
    waiting[proxy] = nil
  else
    waits = true
    if proxy ~= me then
      others[#others + 1] = proxy
      local first = not mine or one.since < mine.since
        or (one.since == mine.since and proxy < me)
      if first then ahead[#ahead + 1] = one.what end
    end
  end
end
if waits then redis.call('HSET', place, 'waiting', cjson.encode(waiting))
elseif stored[3] then redis.call('HDEL', place, 'waiting') end

if expected and ARGV[3] ~= '' then
  version = ARGV[3]
  redis.call('HSET', place, 'version', version, 'text', ARGV[4])
  redis.call('PEXPIRE', place, ARGV[5])
  for _, proxy in ipairs(others) do redis.call('PUBLISH', ARGV[9] .. proxy, ARGV[10]) end
elseif waits and redis.call('PTTL', place) < tonumber(ARGV[8]) then
  redis.call('PEXPIRE', place, ARGV[8])
end
return { time[1], time[2], expected and 1 or 0, version, not expected and text, ahead }
`;

/**
 * KEYS: the proxies, the memory. ARGV: proxy, what a new memory is to be called, how long to keep
 * it, how long a proxy is remembered, the memory that this one knows, whether that is to be given
 * up, then of each proxy that it has seen the name and how long ago; they are taken in where the
 * memory is another. Answers the time, the memory's name, and each proxy with its age.
 *
 * Of a memory it is kept when it was last used. If that is yet to come, the clock was set back, and
 * the memory is given up by itself: nobody who could tell may be left.
 */
export const GREET_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', KEYS[2], 'name', 'used')
local memory = stored[1]
if memory and (now < tonumber(stored[2]) or (memory == ARGV[5] and ARGV[6] == '1')) then
  redis.call('DEL', KEYS[1])
  memory = nil
end
memory = memory or ARGV[2]
redis.call('HSET', KEYS[2], 'name', memory, 'used', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
for index = 7, memory == ARGV[5] and 0 or #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', now - ARGV[index + 1]), ARGV[index])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local answer = { time[1], time[2], memory }
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for index = 1, #members, 2 do
  answer[#answer + 1] = members[index]
  answer[#answer + 1] = string.format('%.0f', now - members[index + 1])
end
return answer
`;

/** KEYS: the proxies. ARGV: the proxy that goes. */
export const LEAVE_SCRIPT = `return redis.call('ZREM', KEYS[1], ARGV[1])`;
