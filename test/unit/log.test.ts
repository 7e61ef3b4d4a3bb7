import { describe, expect, it } from 'vitest';
import { FatalError } from '../../protocols/errors.ts';
import { createLog, type LogLevel } from '../../src/log.ts';
import { createRedactor, passwordsIn, redactPatterns, redactUrl } from '../../src/secrets.ts';

/** Not a real token; made of pieces so that no scanner takes it for one. */
const TOKEN = ['MTA0NzM2MjU5NjAyODg5NTM2', 'GxYzAb', 'q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6j7K8l9'].join(
  '.',
);

function recorded(level: LogLevel, pretty = false) {
  const lines: string[] = [];
  const redactor = createRedactor();
  const style = pretty ? 'plain' : 'json';
  const log = createLog({ level, style, redactor, output: { write: (line) => lines.push(line) } });
  return { log, lines, redactor };
}

describe('the log', () => {
  it.each([
    ['suppress', []],
    ['error', ['error']],
    ['warn', ['error', 'warn']],
    ['info', ['error', 'warn', 'info']],
    ['debug', ['error', 'warn', 'info', 'debug']],
  ] as const)('%s lets through %j', (level, expected) => {
    const { log, lines } = recorded(level);
    for (const name of ['error', 'warn', 'info', 'debug'] as const) log[name]({}, name);
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(expected);
  });

  it('writes JSON with a time that sorts, the fields and the message', () => {
    const { log, lines } = recorded('info');
    log.info({ shard: 3 }, 'ready');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      shard: 3,
      msg: 'ready',
    });
  });

  it('writes one readable line on a terminal', () => {
    const { log, lines } = recorded('info', true);
    log.warn({ shard: 3 }, 'late');
    expect(lines).toEqual([
      expect.stringMatching(/^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: late \{"shard":3\}\n$/),
    ]);
  });

  it('shows the code of an error of ours, and the stack of one that nobody expected', () => {
    const { log, lines } = recorded('error');
    log.error({ error: new FatalError('no') }, 'failed');
    log.error({ error: new TypeError('bug') }, 'failed');
    const [known, unknown] = lines.map((line) => JSON.parse(line).error);
    expect(known).toEqual({ code: 'FATAL', message: 'no' });
    expect(unknown).toMatchObject({
      type: 'TypeError',
      stack: expect.stringContaining('log.test'),
    });
  });

  it.each([false, true])('GP-91: shows no secret, wherever it stands (pretty: %s)', (pretty) => {
    const { log, lines, redactor } = recorded('debug', pretty);
    redactor.add('correct "horse" battery');
    log.error({ error: new Error(`cannot reach amqp://me:s3cr"et@h/, ${TOKEN}`) }, 'a');
    log.warn({ nested: { url: 'redis://:pass/word@h', list: [`Bot ${TOKEN}`] } }, 'b');
    log.info({}, `the password is correct "horse" battery, ${TOKEN}`);
    const text = lines.join('');
    for (const secret of [TOKEN, 's3cr', 'pass/word', 'horse', TOKEN.slice(-20)]) {
      expect(text).not.toContain(secret);
    }
    expect(text).toContain('amqp://me:***@h');
    if (!pretty) expect(lines.map((line) => JSON.parse(line).level)).toHaveLength(3);
  });
});

describe('redaction', () => {
  it.each([
    [`token ${TOKEN}!`, 'token ***!'],
    ['amqp://user:pw@host//', 'amqp://user:***@host//'],
    ['redis://:pw@host', 'redis://:***@host'],
    ['redis://pw@host', 'redis://***@host'],
    ['see amqp://a:p@ss:w/o@rd@h and x@y', 'see amqp://a:***@h and x@y'],
    ['http://h/?password=pw&x=1', 'http://h/?password=***&x=1'],
    ['Authorization: Bearer abcdefghijklmnopqrst', 'Authorization: Bearer ***'],
    ['a Bot is a bot', 'a Bot is a bot'],
    [
      'POST /api/v10/webhooks/123/aTokenThatIsLongEnough/messages',
      'POST /api/v10/webhooks/123/***/messages',
    ],
    ['https://discord.com/api/v10/channels/1', 'https://discord.com/api/v10/channels/1'],
  ])('%s', (text, expected) => {
    expect(redactPatterns(text)).toBe(expected);
  });

  it.each([
    ['user:pw@host', 'user:***@host'],
    ['pw@host', '***@host'],
    ['amqp://u:a b/c"d@h', 'amqp://u:***@h'],
    ['redis://a:b@c,redis://d:e@f', 'redis://a:***@f'],
    ['redis://h', 'redis://h'],
  ])('of the whole value %s', (url, expected) => {
    expect(redactUrl(url)).toBe(expected);
  });

  it('finds the passwords of URLs, as written and decoded', () => {
    expect(passwordsIn('amqp://u:p%40w@h,redis://:%zz@i')).toEqual(['p%40w', 'p@w', '%zz']);
  });

  it('takes no more than a moment for a long line', () => {
    const started = performance.now();
    redactPatterns('a'.repeat(200_000));
    redactPatterns('x://'.repeat(20_000));
    redactPatterns('-.'.repeat(100_000));
    // Quadratic work on these would take minutes.
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
