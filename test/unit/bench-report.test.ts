/** What the benchmark says of its figures: computed from samples, and true of them. */
import { describe, expect, it } from 'vitest';
import type { FigureName, Figures } from '../../bench/figures.ts';
import { COMPLETE } from '../../bench/plan.ts';
import { drawChart } from '../../bench/report/chart.ts';
import { writeReport } from '../../bench/report/report.ts';
import type { Result } from '../../bench/report/result.ts';
import { sentence, targetsOf, verdict } from '../../bench/report/targets.ts';
import { eventFeed, type Topic } from '../../bench/row.ts';

function result(label: string, topic: Topic, ...samples: readonly Figures[]): Result {
  return { label, row: { about: `does <${label}>`, topic, feed: eventFeed('none') }, samples };
}

const steady = (label: string, ...micros: readonly number[]): Result =>
  result(label, 'forward', ...micros.map((steadyMicros) => ({ steadyMicros })));

/** The sentences of the targets that the results have figures for, by what they are about. */
function judged(...results: readonly Result[]): Record<string, string> {
  const targets = targetsOf(results).filter((target) => verdict(target) !== 'not measured');
  return Object.fromEntries(targets.map((target) => [target.subject, sentence(target)]));
}

describe('a target', () => {
  it('is met by the median, not by the best round', () => {
    expect(
      judged(steady('receive none', 7, 1, 9), steady('gateway redis none', 9, 10.5, 30)),
    ).toEqual({ 'socket to Redis, none, over receiving alone': 'met: 1.50 ×, at most 1.50 ×' });
  });

  it('is missed by how much', () => {
    expect(judged(steady('receive none', 7), steady('gateway redis none', 14))).toEqual({
      'socket to Redis, none, over receiving alone':
        'missed by 0.50 × (33.3 %): 2.00 ×, at most 1.50 ×',
    });
  });

  it('that wants at least so much is missed from below', () => {
    const peer = steady('@discordjs/ws + @discordjs/brokers none', 40);
    expect(judged(peer, steady('gateway redis none', 10))).toEqual({
      '@discordjs/ws with @discordjs/brokers, none, over socket to Redis':
        'missed by 1.00 × (20.0 %): 4.00 ×, at least 5.00 ×',
    });
  });

  it('takes a peer that does not keep up at the lower figure of full speed, and says so', () => {
    const peer = result('@discordjs/ws + @discordjs/brokers zlib-stream', 'forward', {
      fullMicros: 90,
    });
    const target = targetsOf([peer, steady('gateway redis zlib-stream', 10)]).find(
      (candidate) => verdict(candidate) === 'met',
    );
    expect(target).toMatchObject({ value: 9, bound: 8 });
    expect(target?.note).toContain('do not keep up');
  });

  it('of which half is missing is not judged at all', () => {
    expect(judged(steady('gateway redis none', 7))).toEqual({});
  });

  it('of no bytes at all allows for what the measurement leaves behind, and no more', () => {
    const scanner = (heapBytes: number) =>
      judged(result('frame scanner', 'part', { heapBytes }))[
        'scanner, bytes allocated for an event'
      ];
    expect(scanner(0.04)).toBe('met: 0.00 B, at most 0.00 B');
    expect(scanner(-0.02)).toBe('met: 0.00 B, at most 0.00 B');
    expect(scanner(0.1)).toBe('missed by 0.10 B: 0.10 B, at most 0.00 B');
  });

  it('of an idle shard is the slope from 100 to 1,000', () => {
    const idle = (shards: number, kibibytes: number) =>
      result(`idle ${shards} none`, 'idle', { residentBytes: kibibytes * 1_024 });
    expect(judged(idle(1, 9), idle(100, 100_000), idle(1_000, 145_000))).toEqual({
      'an idle shard, none': 'met: 50.0 KiB, at most 60.0 KiB',
    });
  });

  it('of the proxy has each of its parts from the same run', () => {
    const proxy = (label: string, fullPerSecond: number, fullP99Ms: number) =>
      result(label, 'proxy', { fullPerSecond, fullP99Ms });
    const found = judged(
      proxy('proxy http', 8_000, 6),
      proxy('@discordjs/proxy', 500, 90),
      proxy('direct', 16_000, 4),
    );
    expect(Object.values(found)).toEqual([
      'met: 16.0 ×, at least 10.0 ×',
      'missed by 10.0 % (16.7 %): 50.0 %, at least 60.0 %',
      'met: 2.00 ms, at most 3.00 ms',
    ]);
  });

  it('of growth is the share by which the cost has grown', () => {
    const one = result('buckets 10', 'buckets', { fullMicros: 100 });
    const many = result('buckets 100000', 'buckets', { fullMicros: 114 });
    expect(judged(one, many)).toEqual({
      'growth of the cost of a request, 10 to 100,000 buckets': 'met: 14.0 %, at most 15.0 %',
    });
  });
});

const RESULTS = [
  steady('receive none', 7, 8, 9),
  steady('gateway redis none', 16, 17, 18),
  result('@discordjs/proxy', 'proxy', { fullPerSecond: 500, fullMicros: 1 }),
  result('gateway & others', 'sizes', { fullMicros: 2 }),
];

describe('the report', () => {
  const report = writeReport({
    facts: [['processor', '2 × test']],
    method: ['slowly'],
    results: RESULTS,
    profiles: [{ label: 'gateway redis none', kind: 'steady', text: ' 50.0 %  write' }],
    plan: COMPLETE,
    chart: 'results.svg',
  });

  it('says first what was met', () => {
    expect(report).toContain('0 of 1 met.');
    expect(report.indexOf('## Targets')).toBeLessThan(report.indexOf('## An event of 1 KB'));
  });

  it('has the median with the least and the most, and the ratio to the floor', () => {
    const line = report.split('\n').find((text) => text.startsWith('| gateway redis none'));
    expect(line).toContain('17.0 (16.0–18.0)');
    expect(line).toContain('2.13');
    expect(line).toContain('9.00');
  });

  it('has a dash for what was not measured', () => {
    const line = report.split('\n').find((text) => text.startsWith('| @discordjs/proxy'));
    expect(line).toContain('| – ');
  });

  it('leaves out tables without rows, and has the profile of what was missed', () => {
    expect(report).not.toContain('## Idle shards');
    expect(report).toContain('50.0 %  write');
  });

  it('has rows as wide as their heads', () => {
    const widths = report
      .split('\n\n')
      .filter((block) => block.startsWith('|'))
      .map(
        (block) =>
          new Set(
            block
              .trim()
              .split('\n')
              .map((row) => row.length),
          ).size,
      );
    expect(widths.every((different) => different === 1)).toBe(true);
  });
});

describe('the chart', () => {
  const svg = drawChart(RESULTS);

  it('is well-formed', () => {
    const open: string[] = [];
    const text = svg.replaceAll(/<(\/?)(\w+)((?: [\w-]+="[^"<&]*")*)(\/?)>/g, (_, ...parts) => {
      const [isEnd, name, , isEmpty] = parts as string[];
      if (isEnd) expect(open.pop()).toBe(name);
      else if (!isEmpty) open.push(name ?? '');
      return '';
    });
    expect(open).toEqual([]);
    expect(text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    expect(svg).toContain('gateway &amp; others');
  });

  it('says in words what it shows, to those who cannot see it', () => {
    expect(svg).toMatch(/^<svg [^>]*>\n<title>[^<]+<\/title>/);
  });

  it('draws the longest bar of a panel longest, each with its value', () => {
    const bars = (name: FigureName) =>
      drawChart([
        result('a', 'proxy', { [name]: 1_000 }),
        result('b', 'proxy', { [name]: 250 }),
      ]).matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g);
    const [first, second] = [...bars('fullPerSecond')].map(([, width]) => Number(width));
    expect((second ?? 0) / (first ?? 0)).toBeCloseTo(0.25);
    expect(svg).toContain('>17.0</text>');
  });

  it('has no panel without bars', () => {
    expect(drawChart([]).match(/<text/g)).toBeNull();
  });
});
