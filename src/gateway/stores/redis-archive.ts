/**
 * Sessions in Redis, for gateways that may start again on another machine.
 *
 * A place is one hash, so that claims and batches of any number of shards are one round trip and
 * one step, on a cluster too. Of a shard there are two fields: `7` is its record as JSON, `7:fence`
 * says who may save: generation, last batch and owner. The hash expires a day after the last batch.
 */
import { z } from 'zod';
import type {
  SessionArchive,
  SessionBatch,
  SessionClaim,
  SessionRefusal,
} from '../../../actors/sessions/ports.ts';
import { StoreUnavailableError } from '../../../protocols/errors.ts';
import { SESSION_KEPT_MS } from '../../../protocols/limits.ts';
import type { Log } from '../../../protocols/ports.ts';
import type { RedisDoor } from './redis-door.ts';
import { placeName, type SessionPlace } from './session-place.ts';
import { readRecord } from './stored-record.ts';

/**
 * ARGV: owner, how long to keep, how long ago the owner began, shards. Answers of each in turn its
 * generation, its record, and the owner that it is refused for, which is empty where it is claimed.
 */
const CLAIM_SCRIPT = `
local answer = {}
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local began = now - tonumber(ARGV[3])
for index = 4, #ARGV do
  local shard = ARGV[index]
  local fence = redis.call('HGET', KEYS[1], shard .. ':fence') or ''
  local generation, owner = string.match(fence, '^(%d+) %d+ (.*)$')
  generation = tonumber(generation or 0)
  local refuser, record = '', ''
  if owner ~= ARGV[1] and generation > began and generation <= now then
    refuser = owner
  else
    if owner ~= ARGV[1] then
      generation = math.max(generation + 1, began)
      redis.call('HSET', KEYS[1], shard .. ':fence', generation .. ' 0 ' .. ARGV[1])
    end
    record = redis.call('HGET', KEYS[1], shard) or ''
  end
  answer[#answer + 1] = generation
  answer[#answer + 1] = record
  answer[#answer + 1] = refuser
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return answer
`;

/**
 * ARGV: owner, how long to keep, the number of the batch, then of each change shard, generation and
 * record, which is empty where there is none. Answers shard and owner of each that was refused in
 * turn.
 */
const SAVE_SCRIPT = `
local refused = {}
for index = 4, #ARGV, 3 do
  local shard, generation, record = ARGV[index], tonumber(ARGV[index + 1]), ARGV[index + 2]
  local fence = redis.call('HGET', KEYS[1], shard .. ':fence') or ''
  local stored, batch, owner = string.match(fence, '^(%d+) (%d+) (.*)$')
  stored, batch = tonumber(stored or 0), tonumber(batch or 0)
  if stored > generation or (stored == generation and owner ~= ARGV[1]) then
    refused[#refused + 1] = shard
    refused[#refused + 1] = owner
  elseif stored < generation or tonumber(ARGV[3]) > batch then
    redis.call('HSET', KEYS[1], shard .. ':fence', generation .. ' ' .. ARGV[3] .. ' ' .. ARGV[1])
    if record == '' then redis.call('HDEL', KEYS[1], shard)
    else redis.call('HSET', KEYS[1], shard, record) end
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return refused
`;

const claimAnswer = z.array(z.union([z.number(), z.string()]));
const saveAnswer = z.array(z.string());

export type RedisArchiveOptions = {
  readonly door: RedisDoor;
  readonly place: SessionPlace;
  readonly owner: string;
  readonly log: Log;
};

export function redisArchive({ door, place, owner, log }: RedisArchiveOptions): SessionArchive {
  const key = placeName(place);
  const run = (script: string, values: readonly string[]) =>
    door.run(script, key, [owner, String(SESSION_KEPT_MS), ...values]);
  return {
    label: door.label,

    async claim({ shards, ageMs }) {
      const values = [Math.ceil(ageMs), ...shards].map(String);
      const answer = readAnswer(claimAnswer, await run(CLAIM_SCRIPT, values), key);
      const claims: SessionClaim[] = [];
      const refusals: SessionRefusal[] = [];
      for (const [index, shard] of shards.entries()) {
        const [generation, text = '', refuser = ''] = answer
          .slice(3 * index, 3 * index + 3)
          .map(String);
        if (refuser !== '') {
          refusals.push({ shard, owner: refuser });
          continue;
        }
        const record = text === '' ? undefined : readRecord(text);
        if (text !== '' && record === undefined) {
          log.warn({ key, shard }, 'a stored session is damaged, and is left out');
        }
        claims.push({ shard, generation: Number(generation), record });
      }
      return { claims, refusals };
    },

    async save({ number, changes }: SessionBatch) {
      const values = changes.flatMap(({ shard, generation, record }) => [
        String(shard),
        String(generation),
        record === undefined ? '' : JSON.stringify(record),
      ]);
      const answer = readAnswer(
        saveAnswer,
        await run(SAVE_SCRIPT, [String(number), ...values]),
        key,
      );
      const refusals: SessionRefusal[] = [];
      for (let index = 0; index < answer.length; index += 2) {
        refusals.push({ shard: Number(answer[index]), owner: answer[index + 1] ?? '' });
      }
      return refusals;
    },

    close: async () => door.close(),
  };
}

function readAnswer<Value>(schema: z.ZodType<Value>, answer: unknown, key: string): Value {
  const { data } = schema.safeParse(answer);
  if (data === undefined)
    throw new StoreUnavailableError(`${key} was answered with something else`);
  return data;
}
