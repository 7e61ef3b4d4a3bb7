/** What answers say about limits, also when they say it badly. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLimited, readLimits, secondsToMs } from '../../actors/bucket/reading.ts';
import type { HeaderList } from '../../protocols/proxy.ts';

const JSON_TYPE = ['content-type', 'application/json'] as const;
const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const limits = (resetAfter: string, remaining = '2', limit = '5'): HeaderList => [
  ['x-ratelimit-limit', limit],
  ['x-ratelimit-remaining', remaining],
  ['x-ratelimit-reset-after', resetAfter],
  ['x-ratelimit-bucket', 'abc'],
];

describe('reading', () => {
  it.each([
    ['1', 1_000],
    ['1.000', 1_000],
    ['0.3', 300],
    ['64.57', 64_570],
    ['0.0001', 1],
    ['1.0001', 1_001],
    ['82721', 82_721_000],
    [' 2 ', 2_000],
    ['', null],
    ['NaN', null],
    ['-1', null],
    ['1e3', null],
    ['Infinity', null],
    ['0x10', null],
    ['9'.repeat(40), null],
  ])('P18 P19: takes %j seconds for %j ms', (text, expected) => {
    expect(secondsToMs(text)).toBe(expected);
  });

  it('P18 P19: never throws, and never gives less than was said', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double({ min: 0, max: 1e6 }).map(String)), (text) => {
        const ms = secondsToMs(text);
        if (ms === null) return;
        expect(Number.isInteger(ms)).toBe(true);
        expect(ms).toBeGreaterThanOrEqual(Number(text) * 1_000 - 1e-3);
      }),
    );
  });

  it('P29: a limit of zero is no limit known, and more remaining than the limit is the limit', () => {
    expect(readLimits(limits('1', '0', '0'))).toBeNull();
    expect(readLimits(limits('1', '9', '5'))?.remaining).toBe(5);
    expect(readLimits(limits('1', '-1'))).toBeNull();
    expect(readLimits(limits('x'))).toBeNull();
    expect(readLimits([])).toBeNull();
  });

  it('P23: does not look at the wall clock time of the reset', () => {
    const wrong: HeaderList = [...limits('2.5'), ['x-ratelimit-reset', '1']];
    expect(readLimits(wrong)?.resetAfterMs).toBe(2_500);
  });

  it('P20: waits for the longer of body and header, less the rounding of the header', () => {
    const headers: HeaderList = [JSON_TYPE, ...limits('64.57', '0'), ['retry-after', '65']];
    const body = json({ message: '', retry_after: 64.57, global: false });
    expect(readLimited(headers, body)).toEqual({ by: 'user', waitMs: 64_570 });
    const short = json({ message: '', retry_after: 1, global: false });
    expect(readLimited(headers, short)).toEqual({ by: 'user', waitMs: 64_000 });
  });

  it('P21: a shared limit is waited for as long as Retry-After says, not the reset', () => {
    const headers: HeaderList = [
      ...limits('64.57', '0'),
      ['retry-after', '1337'],
      ['x-ratelimit-scope', 'shared'],
    ];
    expect(readLimited(headers, new Uint8Array())).toEqual({ by: 'shared', waitMs: 1_337_000 });
  });

  it.each([
    ['body', [JSON_TYPE], { global: true, retry_after: 2 }],
    ['header', [JSON_TYPE, ['x-ratelimit-global', 'true']], { global: false, retry_after: 2 }],
    ['scope', [JSON_TYPE, ['x-ratelimit-scope', 'global']], { global: false, retry_after: 2 }],
  ] as const)('P50: it is global if the %s alone says so', (_where, headers, body) => {
    expect(readLimited(headers, json(body))).toEqual({ by: 'global', waitMs: 2_000 });
  });

  it.each([
    ['HTML', [['content-type', 'text/html']], '<html>1015</html>'],
    ['JSON with a code alone', [JSON_TYPE], '{"message":"blocked","code":40333}'],
    ['JSON that is none', [JSON_TYPE], '{"retry_after":'],
    ['JSON that is no object', [JSON_TYPE], 'null'],
    ['nothing', [], ''],
  ] as const)(
    'P43 P44: %s without a time is a block for a minute at least',
    (_what, headers, text) => {
      const limited = readLimited(headers, new TextEncoder().encode(text));
      expect(limited).toEqual({ by: 'edge', waitMs: 60_000 });
    },
  );

  it('P19: is total over any headers and bodies', () => {
    const names = fc.constantFrom(
      'retry-after',
      'x-ratelimit-limit',
      'x-ratelimit-remaining',
      'x-ratelimit-reset-after',
      'x-ratelimit-scope',
      'x-ratelimit-global',
      'content-type',
    );
    const values = fc.oneof(
      fc.string(),
      fc.constantFrom('1', '0', 'user', 'shared', 'global', 'application/json'),
    );
    const bodies = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(names, values)), bodies, (headers, body) => {
        const limited = readLimited(headers, body);
        expect(limited.waitMs).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(limited.waitMs)).toBe(true);
      }),
    );
  });
});
