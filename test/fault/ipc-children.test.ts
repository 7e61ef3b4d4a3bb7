/**
 * The library's Ipc with real child processes, which are killed, stopped and left without a parent.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  IPC_UNSENT_MAX_BYTES,
  MEMORY_QUEUE_MAX,
  MEMORY_QUEUE_MAX_BYTES,
} from '../../protocols/limits.ts';
import type { MessageOptions } from '../../src/client/broker-types.ts';
import { Ipc } from '../../src/client/ipc.ts';
import { until } from '../support/broker-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';

const CHILD = fileURLToPath(new URL('./fixtures/ipc-child.mjs', import.meta.url));
/** More than the operating system keeps for a reader that does not read. */
const PIPE_MAX_BYTES = 4 * 1024 * 1024;
const PATIENT = { timeout: 60_000 };

type Line = {
  readonly event?: string;
  readonly data?: unknown;
  readonly answer?: unknown;
  readonly failed?: string;
  readonly error?: string;
  readonly ready?: boolean;
  readonly published?: number;
};

class Child {
  readonly lines: Line[] = [];
  readonly process: ChildProcess;

  constructor(child: ChildProcess) {
    this.process = child;
    if (child.stdout === null) throw new Error('the child has no stdout');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(JSON.parse(line));
    });
  }

  has(what: keyof Line): boolean {
    return this.lines.some((line) => what in line);
  }

  received(event: string): unknown[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.data);
  }
}

let parent: Ipc;
let log: RecordingLog;
let children: Child[];

async function start(
  name: string,
  orders: object,
  serialization: 'json' | 'advanced' = 'advanced',
) {
  const started = parent.fork(CHILD, [name, JSON.stringify(orders)], {
    serialization,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const child = new Child(started);
  children.push(child);
  await until(`${name} is ready`, () => child.has('ready'));
  return child;
}

beforeEach(() => {
  log = new RecordingLog();
  parent = new Ipc('family', { role: 'parent', log });
  children = [];
});

afterEach(async () => {
  for (const child of children) child.process.kill('SIGKILL');
  await parent.disconnect();
});

describe('Ipc and its children', () => {
  it('S7 fails a call at once when the child that owes the answer dies', async () => {
    const child = await start('one', { consume: { ASK: 'owe' } });
    const call = parent.call('ASK', 1, PATIENT);
    await until('it was asked', () => child.received('ASK').length === 1);
    child.process.kill('SIGKILL');
    await expect(call).rejects.toMatchObject({ code: 'PEER_GONE' });
  });

  it('S7 gives a call that was not acked to another child, or fails it when there is none', async () => {
    const first = await start('first', { consume: { ASK: 'hold' } });
    const call = parent.call('ASK', 1, PATIENT);
    await until('it was asked', () => first.received('ASK').length === 1);
    const second = await start('second', { consume: { ASK: 'echo' } });
    first.process.kill('SIGKILL');
    await expect(call).resolves.toEqual({ by: 'second', data: 1 });
    second.process.kill('SIGKILL');
    await until('it is gone', () => second.process.signalCode !== null);
    const third = await start('third', { consume: { ASK: 'hold' } });
    const lost = parent.call('ASK', 2, PATIENT);
    await until('it was asked too', () => third.received('ASK').length === 1);
    third.process.kill('SIGKILL');
    await expect(lost).rejects.toMatchObject({ code: 'PEER_GONE' });
  });

  it('S7 hands what a dead child held to the others, in order', async () => {
    const first = await start('first', { consume: { WORK: 'hold' } });
    for (let number = 0; number < 50; number++) await parent.publish('WORK', number);
    await until('it has all', () => first.received('WORK').length === 50);
    const second = await start('second', { consume: { WORK: 'ack' } });
    first.process.kill('SIGKILL');
    await until('the other has all', () => second.received('WORK').length === 50);
    expect(second.received('WORK')).toEqual(Array.from({ length: 50 }, (_, number) => number));
  });

  it.each(['json', 'advanced'] as const)(
    'S7 brings each answer to the one who asked, whoever that is: %s',
    async (serialization) => {
      parent.on('ASK', async (data: unknown, { ack, reply }: MessageOptions) => {
        await ack();
        await reply({ by: 'parent', data });
      });
      await parent.subscribe('ASK');
      const echo = { consume: { ECHO: 'echo' } };
      await start('echo', echo, serialization);
      const one = await start('one', { call: ['ASK', 'one'] }, serialization);
      const two = await start('two', { call: ['ECHO', 'two'] }, serialization);
      const three = await start('three', { call: ['NOBODY', 'three'] }, serialization);
      const answer = parent.call('ECHO', 'parent', PATIENT);
      await until('all were answered', () => one.has('answer') && two.has('answer'));
      expect(one.lines.at(-1)).toEqual({ answer: { by: 'parent', data: 'one' } });
      expect(two.lines.at(-1)).toEqual({ answer: { by: 'echo', data: 'two' } });
      expect(await answer).toEqual({ by: 'echo', data: 'parent' });
      await until('the third was told', () => three.has('failed'));
      expect(three.lines.at(-1)).toEqual({ failed: 'UNROUTABLE' });
    },
  );

  it('S7 tells children when their parent goes, and fails what they wait for', async () => {
    parent.on('ASK', (_data: unknown, { ack }: MessageOptions) => ack());
    await parent.subscribe('ASK');
    const child = await start('child', { consume: { WORK: 'ack' }, call: ['ASK', 1] });
    await parent.publish('WORK', 1);
    await until('it has its work', () => child.received('WORK').length === 1);
    await parent.disconnect();
    await until('it was told', () => child.has('failed') && child.has('error'));
    expect(child.lines.slice(-2)).toEqual(
      expect.arrayContaining([{ failed: 'PEER_GONE' }, { error: 'FATAL' }]),
    );
    await until('it has ended by itself', () => child.process.exitCode === 0);
  });

  it('gives each message to one of several children, from whichever of them it came', async () => {
    const workers: Child[] = [];
    for (const name of ['a', 'b', 'c'])
      workers.push(await start(name, { consume: { WORK: 'ack' } }));
    const sources: Child[] = [];
    for (const name of ['x', 'y']) sources.push(await start(name, { publish: ['WORK', 100] }));
    await until('all is published', () => sources.every((source) => source.has('published')));
    const received = () => workers.flatMap((worker) => worker.received('WORK'));
    await until('all has arrived', () => received().length >= 200);
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const all = ['x', 'y'].flatMap((by) => numbers.map((number) => ({ by, number })));
    expect(received()).toHaveLength(200);
    expect(received()).toEqual(expect.arrayContaining(all));
    expect(workers.every((worker) => worker.received('WORK').length > 0)).toBe(true);
  });

  it('S2 sends no more than a bound to a child that takes nothing, and all of it when it goes on', async () => {
    const child = await start('child', { consume: { WORK: 'ack' } });
    child.process.kill('SIGSTOP');
    const text = 'x'.repeat(100_000);
    let taken = 0;
    let refused: unknown;
    for (; refused === undefined && taken < MEMORY_QUEUE_MAX; ) {
      await parent.publish('WORK', text).then(
        () => taken++,
        (error: unknown) => {
          refused = error;
        },
      );
    }
    expect(refused).toMatchObject({ code: 'PUBLISH_REFUSED' });
    const room = MEMORY_QUEUE_MAX_BYTES + IPC_UNSENT_MAX_BYTES + PIPE_MAX_BYTES;
    expect(taken * text.length).toBeLessThan(room);
    child.process.kill('SIGCONT');
    await until('all has arrived', () => child.received('WORK').length === taken);
    await parent.publish('WORK', 'last');
    await until('the last has arrived', () => child.received('WORK').length === taken + 1);
  });

  it('S6 is not disturbed by what others say on the channel', async () => {
    const child = await start('child', { consume: { WORK: 'ack' } });
    const strange = [null, 1, 'text', [], { ready: true }, { event: 5 }, { event: '' }];
    const ours = ['hello', 'publish', 'nonsense'].map((op) => ({
      spectacles: 'ipc',
      link: '?',
      op,
    }));
    for (const message of [...strange, ...ours]) {
      // What the parent says to the child, and the child, as it were, to the parent.
      child.process.send(message as object);
      child.process.emit('message', message, undefined);
    }
    await parent.publish('WORK', 'good');
    await until('the good one has arrived', () => child.received('WORK').length === 1);
    expect(log.at('warn').length).toBeGreaterThan(0);
  });

  it('says what is wrong with a fork that comes too late', async () => {
    const child = new Ipc('family', { role: 'child' });
    expect(() => child.fork(CHILD)).toThrow(/role: 'parent'/);
  });
});
