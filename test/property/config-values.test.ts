import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatAddress, parseAddress } from '../../src/config/address.ts';
import { parseAmqpUrl, parseRedisUrl } from '../../src/config/broker-urls.ts';
import { formatDuration, parseDuration } from '../../src/config/duration.ts';
import { formatShardIds, parseShardIds } from '../../src/config/shard-ids.ts';

it('a duration that is written is read as it was', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 }), (durationMs) => {
      expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
    }),
  );
});

it('a duration is the sum of its parts, rounded up', () => {
  const part = fc.tuple(
    fc.integer({ min: 0, max: 9_999 }),
    fc.constantFrom(
      ...([
        ['ms', 1],
        ['s', 1_000],
        [' minutes ', 60_000],
        ['h', 3_600_000],
      ] as const),
    ),
  );
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 6 }),
      fc.nat({ max: 999 }),
      (parts, micros) => {
        const text = parts.map(([count, [unit]]) => `${count}${unit}`).join('');
        const totalMs = parts.reduce((sum, [count, [, unitMs]]) => sum + count * unitMs, 0);
        expect(parseDuration(`${text}${micros}us`)).toBe(totalMs + Math.ceil(micros / 1_000));
      },
    ),
  );
});

it('an address that is written is read as it was', () => {
  const host = fc.oneof(fc.constant(undefined), fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(host, fc.nat({ max: 65_535 }), (name, port) => {
      const address = { host: name, port };
      expect(parseAddress(formatAddress(address))).toEqual(address);
    }),
  );
});

it('shard ids that are written are read as they were', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 300 }), { minLength: 1 }), (ids) => {
      const ascending = [...ids].sort((one, other) => one - other);
      expect(parseShardIds(formatShardIds(ascending))).toEqual(ascending);
      expect(parseShardIds(ids.join(','))).toEqual(ascending);
    }),
  );
});

/** Texts that a URL can carry when they are percent-encoded. */
const word = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => {
  try {
    return encodeURIComponent(text) !== '';
  } catch {
    return false;
  }
});

it('what a URL of a broker was made from is found in it again', () => {
  fc.assert(
    fc.property(
      word,
      word,
      word,
      fc.domain(),
      fc.integer({ min: 1, max: 65_535 }),
      (user, password, vhost, host, port) => {
        const [u, p, v] = [user, password, vhost].map(encodeURIComponent);
        const place = { host, port, username: user, password };
        expect(parseAmqpUrl(`amqp://${u}:${p}@${host}:${port}/${v}`)).toMatchObject({
          value: { ...place, vhost },
        });
        expect(parseRedisUrl(`rediss://${u}:${p}@${host}:${port}/7`)).toMatchObject({
          value: { ...place, database: 7, tls: true },
        });
      },
    ),
  );
});

it('no text makes a parser throw', () => {
  const near = fc.stringMatching(/^[0-9a-z:/@?#%., µ&=[\]-]{0,40}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (text) => {
      for (const parse of [parseDuration, parseAddress, parseShardIds]) parse(text);
      for (const scheme of ['', 'amqp://', 'amqps://', 'redis://']) {
        parseAmqpUrl(scheme + text);
        parseRedisUrl(scheme + text);
      }
    }),
    { numRuns: 1_000 },
  );
});
