/**
 * What must happen on the server in one piece, in its own language.
 *
 * Each script is sent whole: they are short and rare, and a server that was restarted needs no
 * loading. All keys of a script are in one slot.
 */

/**
 * Moves an entry to the dead letters. KEYS: stream, dead letters. ARGV: group, consumer, entry,
 * reason, deliveries, how many to keep, how many fields to keep. Answers 0 when the entry was not
 * pending any more, 1 when it is gone itself, 2 when it was moved. The ack comes last: if the dead
 * letter cannot be written, the script fails and the entry stays pending.
 */
export const DEAD_LETTER_SCRIPT = `
local group, consumer, entry, reason, deliveries = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if #redis.call('XPENDING', KEYS[1], group, entry, entry, 1) == 0 then return 0 end
local found = redis.call('XRANGE', KEYS[1], entry, entry)[1]
if found then
  local fields = found[2]
  local kept = math.min(#fields, tonumber(ARGV[7]) * 2)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'dead-reason', reason, 'dead-group', group,
    'dead-entry', entry, 'dead-deliveries', deliveries, unpack(fields, 1, kept))
end
redis.call('XACK', KEYS[1], group, entry)
return found and 2 or 1
`;

/**
 * Keeps entries from being taken over, if they are still this consumer's. KEYS: stream. ARGV:
 * group, consumer, entries. Answers those that are not.
 */
export const KEEP_SCRIPT = `
local others = {}
for index = 3, #ARGV do
  local entry = ARGV[index]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], entry, entry, 1, ARGV[2]) == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'JUSTID')
  else
    others[#others + 1] = entry
  end
end
return others
`;

/**
 * Acks what this consumer has pending and what is gone from the stream. KEYS: stream. ARGV: group,
 * consumer, how many to look at. Answers how many there were.
 */
export const LAY_GHOSTS_SCRIPT = `
local laid = 0
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])) do
  if #redis.call('XRANGE', KEYS[1], pending[1], pending[1]) == 0 then
    laid = laid + redis.call('XACK', KEYS[1], ARGV[1], pending[1])
  end
end
return laid
`;

/**
 * Takes this consumer out of its group. If it has something pending it must stay, as that would be
 * lost with it; then all of it is made to look idle, so that others take it over at once. KEYS:
 * stream. ARGV: group, consumer, for how many milliseconds idle, of how many entries. Answers 1
 * when it has left.
 */
export const LEAVE_SCRIPT = `
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
for _, entry in ipairs(pending) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'IDLE', ARGV[3], 'JUSTID')
end
if #pending > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
`;

/**
 * Takes other consumers out that have nothing pending and were not heard of for a while. KEYS:
 * stream. ARGV: group, consumer, for how many milliseconds. Answers how many there were.
 */
export const REAP_SCRIPT = `
local reaped = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for index = 1, #consumer, 2 do facts[consumer[index]] = consumer[index + 1] end
  local is_idle = facts.pending == 0 and facts.idle > tonumber(ARGV[3])
  if is_idle and facts.name ~= ARGV[2] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    reaped = reaped + 1
  end
end
return reaped
`;

/**
 * Deletes groups that belonged to one process each and that nobody has read by for a while. KEYS:
 * stream. ARGV: what their names begin with, for how many milliseconds. Answers how many there
 * were.
 */
export const ABANDONED_GROUPS_SCRIPT = `
local function facts_of(list)
  local facts = {}
  for index = 1, #list, 2 do facts[list[index]] = list[index + 1] end
  return facts
end
local deleted = 0
for _, listed in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = facts_of(listed).name
  if string.sub(group, 1, #ARGV[1]) == ARGV[1] then
    local consumers = redis.call('XINFO', 'CONSUMERS', KEYS[1], group)
    local is_abandoned = #consumers > 0
    for _, consumer in ipairs(consumers) do
      if facts_of(consumer).idle <= tonumber(ARGV[2]) then is_abandoned = false end
    end
    if is_abandoned then deleted = deleted + redis.call('XGROUP', 'DESTROY', KEYS[1], group) end
  end
end
return deleted
`;
