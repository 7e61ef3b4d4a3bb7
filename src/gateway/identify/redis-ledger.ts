/**
 * Session starts in Redis, shared by all gateways of an application, and on the server's clock.
 *
 * A book is one key with JSON in it, in the shape of `actors/identify/book.ts`, so that a permit is
 * one script on one key: on a cluster too. The script is that file's rules in the server's own
 * language; the contract suite holds both to the same words. The key expires when nobody has used
 * it for a month.
 *
 * Failure: a server that has lost the key begins a new book from what the asking governor knows,
 * with all keys closed for a lease, since others may have permits that they have not used yet.
 */
import { z } from 'zod';
import { LEDGER_SPANS, type LedgerSpans } from '../../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import { StoreUnavailableError } from '../../../protocols/errors.ts';
import type { SessionStarts, TakeAnswer } from '../../../protocols/gateway/identify.ts';
import { IDENTIFY_LEDGER_KEPT_MS } from '../../../protocols/limits.ts';
import type { RedisDoor } from '../stores/redis-door.ts';

/**
 * ARGV: operation, then a JSON object with all that it needs. Answers JSON. `reach` changes
 * nothing.
 */
const LEDGER_SCRIPT = `
local operation, ask = ARGV[1], cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local stored = redis.call('GET', KEYS[1])
local book = stored and cjson.decode(stored) or nil

local function renew()
  book.resetAtMs = math.min(book.resetAtMs, now + ask.leaseMs + ask.periodMs)
  if now < book.resetAtMs then return false end
  book.remaining, book.begun = book.total, false
  return true
end

local function begin(word, closedMs)
  book = { total = word.total, remaining = word.remaining, begun = word.begun,
    resetAtMs = now + word.resetInMs, maxConcurrency = word.maxConcurrency,
    baseMs = now + closedMs, keys = {} }
end

local function close(untilMs)
  book.baseMs = math.max(book.baseMs, untilMs)
  for _, entry in pairs(book.keys) do
    entry.openAtMs = math.max(entry.openAtMs, untilMs)
    if entry.holder then entry.formerMs = math.max(entry.formerMs or untilMs, untilMs) end
  end
end

local function learn(word)
  if not book then
    if ask.isFirst then begin(word, word.begun and ask.windowMs or 0) end
    return
  end
  renew()
  local wordReset = now + word.resetInMs
  local isRunning = word.begun and word.resetInMs > 0
  local isNewDay = book.begun and isRunning and wordReset > book.resetAtMs + ask.leaseMs
  local most = book.remaining + math.max(0, word.total - book.total)
  if book.maxConcurrency ~= word.maxConcurrency then
    for _, entry in pairs(book.keys) do book.baseMs = math.max(book.baseMs, entry.openAtMs) end
    book.keys, book.maxConcurrency = {}, word.maxConcurrency
  end
  if not isNewDay and word.remaining < most then close(now + ask.windowMs) end
  book.total = word.total
  book.remaining = isNewDay and word.remaining or math.min(most, word.remaining)
  if isRunning then book.resetAtMs = wordReset end
  book.begun = book.begun or word.begun
end

local function keyOf() return tostring(ask.shard % book.maxConcurrency) end
local function entryOf() return book.keys[keyOf()] or { openAtMs = book.baseMs } end
local function opensAt() return math.min(entryOf().openAtMs, now + ask.leaseMs) end

local function starts()
  return { total = book.total, remaining = book.remaining, begun = book.begun,
    resetInMs = math.max(0, book.resetAtMs - now), maxConcurrency = book.maxConcurrency }
end

local function take()
  if not book then
    begin(ask.known, ask.leaseMs)
    return { kind = 'forgot', waitMs = ask.leaseMs, starts = starts() }
  end
  renew()
  book.remaining = math.max(0, book.remaining - ask.owed)
  local former = opensAt()
  if now < former then
    local wait = former - now
    local entry = entryOf()
    if entry.holder then wait = math.min(wait, ask.windowMs) end
    entry.openAtMs = former
    book.keys[keyOf()] = entry
    return { kind = 'wait', waitMs = wait, starts = starts() }
  end
  if book.remaining <= ask.floor then return { kind = 'floor', starts = starts() } end
  book.keys[keyOf()] = { openAtMs = now + ask.leaseMs, holder = ask.holder, formerMs = former }
  book.remaining = book.remaining - 1
  if not book.begun then book.resetAtMs = now + ask.leaseMs + ask.periodMs end
  return { kind = 'granted', starts = starts() }
end

local function sent()
  if not book then
    if not ask.known then return end
    begin(ask.known, ask.leaseMs)
  end
  if renew() then
    book.remaining = math.max(0, book.remaining - 1)
    book.resetAtMs = now + ask.leaseMs + ask.periodMs
  end
  book.begun = true
  local entry, window = entryOf(), now + ask.windowMs
  if entry.holder == ask.holder then book.keys[keyOf()] = { openAtMs = window }
  else book.keys[keyOf()] = { openAtMs = math.max(opensAt(), window),
    holder = entry.holder, formerMs = window } end
end

local function give_back()
  local entry = entryOf()
  if entry.holder ~= ask.holder then return end
  book.keys[keyOf()] = { openAtMs = entry.formerMs or now }
  book.remaining = math.min(book.total, book.remaining + 1)
end

local answer
if operation == 'learn' then learn(ask.word)
elseif operation == 'take' then answer = take()
elseif operation == 'sent' then sent()
elseif book and operation == 'give-back' then give_back() end
if book then redis.call('SET', KEYS[1], cjson.encode(book), 'PX', ask.keptMs) end
return answer and cjson.encode(answer) or ''
`;

const starts: z.ZodType<SessionStarts> = z.object({
  total: z.int(),
  remaining: z.int(),
  begun: z.boolean(),
  resetInMs: z.number(),
  maxConcurrency: z.int().positive(),
});

const takeAnswer: z.ZodType<TakeAnswer> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('granted'), starts }),
  z.object({ kind: z.literal('wait'), waitMs: z.number(), starts }),
  z.object({ kind: z.literal('forgot'), waitMs: z.number(), starts }),
  z.object({ kind: z.literal('floor'), starts }),
]);

export type RedisLedgerOptions = {
  readonly door: RedisDoor;
  /** The key of the book. */
  readonly name: string;
  /** This process among those that share it. */
  readonly owner: string;
  readonly spans?: LedgerSpans;
};

export function redisLedger(options: RedisLedgerOptions): IdentifyLedger {
  const { door, name, owner, spans = LEDGER_SPANS } = options;
  const run = (operation: string, facts: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const ask = { ...spans, keptMs: IDENTIFY_LEDGER_KEPT_MS, ...facts };
    return door.run(LEDGER_SCRIPT, name, [operation, JSON.stringify(ask)]);
  };
  let isFirst = true;
  /** What was said with the latest permit. */
  let latest: SessionStarts | undefined;
  return {
    label: door.label,
    async learn(word) {
      const facts = { word: whole(word), isFirst };
      isFirst = false;
      await run('learn', facts);
    },
    async take({ shard, floor, owed, known }) {
      const holder = `${owner}:${shard}`;
      const text = await run('take', { shard, holder, floor, owed, known: whole(known) });
      const { data } = takeAnswer.safeParse(JSON.parse(String(text)));
      if (data !== undefined) {
        latest = whole(data.starts);
        return data;
      }
      throw new StoreUnavailableError(`${name} was answered with something else`);
    },
    async sent(shard) {
      await run('sent', { shard, holder: `${owner}:${shard}`, known: latest });
    },
    async giveBack(shard) {
      await run('give-back', { shard, holder: `${owner}:${shard}` });
    },
    async reach() {
      await run('reach', {});
    },
  };
}

/** The server's JSON keeps fourteen digits, which a time with fractions has more of. */
function whole(word: SessionStarts): SessionStarts {
  return { ...word, resetInMs: Math.ceil(word.resetInMs) };
}
