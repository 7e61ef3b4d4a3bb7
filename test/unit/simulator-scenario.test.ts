/** Scenarios: how they are read and how they are drawn. */
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../protocols/errors.ts';
import { parseScenario, randomScenario, readScenario } from '../../src/simulator/scenario.ts';
import { stage } from '../support/simulated-client.ts';
import { RESUME } from '../support/struck-client.ts';

describe('a scenario file', () => {
  it('is a list of faults, put in the order of their times', () => {
    const text = JSON.stringify([
      { atMs: 500, fault: 'close', code: 4000, shard: 1 },
      { atMs: 0, fault: 'slow', delayMs: 100, durationMs: 1_000 },
    ]);
    expect(readScenario(text)).toEqual([
      { atMs: 0, fault: 'slow', delayMs: 100, durationMs: 1_000 },
      { atMs: 500, fault: 'close', code: 4000, shard: 1 },
    ]);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['no list', { fault: 'drop' }, ['scenario', '"drop"', 'a list of faults']],
    [
      'an unknown fault',
      [{ atMs: 0, fault: 'dropp' }],
      ['fault 1', '"dropp"', 'mean drop?', 'mute'],
    ],
    ['no fault', [{ atMs: 0 }], ['fault 1', 'fault', 'is missing', 'half-open']],
    ['no object', ['drop'], ['fault 1', 'is missing', 'half-open']],
    ['no time', [{ fault: 'drop' }], ['fault 1 (drop)', 'atMs', 'is missing', 'number']],
    ['a bad time', [{ fault: 'drop', atMs: 'soon' }], ['(drop)', 'atMs', '"soon"', 'number']],
    ['a bad shard', [{ fault: 'drop', atMs: 0, shard: -1 }], ['shard', '-1', '>=0']],
    [
      'a code that cannot be sent',
      [{ fault: 'close', atMs: 0, code: 1006 }],
      ['code', '1006', 'sent'],
    ],
    ['a missing parameter', [{ fault: 'invalid', atMs: 0 }], ['resumable', 'missing', 'boolean']],
    ['an unknown key', [{ fault: 'drop', atMs: 0, when: 1 }], ['(drop)', 'when', 'atMs, shard']],
    [
      'a shard where every shard is struck',
      [{ fault: 'max-concurrency', atMs: 0, value: 2, shard: 1 }],
      ['(max-concurrency)', 'shard', 'fault, atMs, value'],
    ],
    [
      'an unknown choice',
      [{ fault: 'kill-resume-host', atMs: 0, mode: 'dead' }],
      ['mode', '"dead"', 'unavailable', 'silent'],
    ],
  ])('with %s is refused, naming the key, the value and what is allowed', (_name, value, parts) => {
    expect(() => parseScenario(value)).toThrow(ConfigurationError);
    for (const part of parts) expect(() => parseScenario(value)).toThrow(part);
  });

  it('that is no JSON, or too long, is refused', () => {
    expect(() => readScenario('[{')).toThrow(/^scenario: not JSON/);
    const long = Array.from({ length: 10_001 }, () => ({ fault: 'drop', atMs: 0 }));
    expect(() => parseScenario(long)).toThrow(/10001 faults; at most 10000/);
  });
});

describe('a random scenario', () => {
  it('follows from its seed and reads back as a valid one', () => {
    const scenario = randomScenario(5, 600_000, 6, 4);
    expect(scenario).toEqual(randomScenario(5, 600_000, 6, 4));
    expect(scenario).not.toEqual(randomScenario(6, 600_000, 6, 4));
    expect(scenario.length).toBeGreaterThan(60);
    expect(parseScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
    for (let seed = 0; seed < 200; seed++) parseScenario([...randomScenario(seed, 120_000, 20, 3)]);
  });

  it('mends everything at its end', () => {
    for (let seed = 0; seed < 30; seed++) {
      const { discord, clock, client } = stage({ seed });
      discord.scenario.run(randomScenario(seed, 120_000, 30));
      client().identify();
      clock.advance(121_000);
      const late = client().settle(5_000).identify();
      late.settle(1_000);
      expect(late.events, `seed ${seed}`).toContain('READY');
      const other = client(RESUME).resume(late.sessionId, 1);
      expect(other.events, `seed ${seed}`).toContain('RESUMED');
    }
  });
});
