/** The Ipc of @spectacles/brokers 0.9.3, unmodified, at either end of a channel to ours. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { MessageOptions } from '../../src/client/broker-types.ts';
import { Ipc } from '../../src/client/ipc.ts';
import { until } from '../support/broker-bench.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const PROGRAM = fixture('spectacles-ipc-program.cjs');

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

function linesOf(stdout: Readable | null): unknown[] {
  const lines: unknown[] = [];
  if (stdout === null) throw new Error('the program has no stdout');
  createInterface({ input: stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  return lines;
}

describe('Ipc of @spectacles/brokers 0.9.3', () => {
  it.each(['json', 'advanced'] as const)(
    'as a child takes our events, and publishes to and calls us: %s',
    async (serialization) => {
      const parent = new Ipc('default', { role: 'parent' });
      const received: unknown[] = [];
      for (const event of ['HELLO', 'TOLD']) {
        parent.on(event, (data: unknown, { ack }: MessageOptions) => {
          received.push({ event, data });
          void ack();
        });
      }
      parent.on('ASK', async (data: unknown, { ack, reply }: MessageOptions) => {
        await ack();
        await reply({ answer: data });
      });
      await parent.subscribe(['HELLO', 'TOLD', 'ASK']);
      const child = fork(PROGRAM, ['child', 'EVENT'], {
        serialization,
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      });
      running.push(child);
      const lines = linesOf(child.stdout);
      parent.fork(child);
      await until('it said hello', () => received.length === 1);
      await parent.publish('EVENT', { id: '1', publish: 'TOLD' });
      await parent.publish('EVENT', { id: '2', call: 'ASK' });
      await until('it was answered', () => lines.length === 3);
      expect(lines).toEqual([
        { event: 'EVENT', data: { id: '1', publish: 'TOLD' } },
        { event: 'EVENT', data: { id: '2', call: 'ASK' } },
        { answer: { answer: { question: 1 } } },
      ]);
      await until('its message came', () => received.length === 2);
      expect(received).toEqual([
        { event: 'HELLO', data: { old: true } },
        { event: 'TOLD', data: { from: 'the old child' } },
      ]);
      await parent.disconnect();
    },
  );

  it.each(['plain', 'found out'])('as a parent serves a child of ours: %s', async (way) => {
    const child = fixture('ipc-child-of-old-parent.mjs');
    const parent = spawn(process.execPath, [PROGRAM, 'parent', child, way], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.push(parent);
    const lines = linesOf(parent.stdout);
    await until('our child has answered', () => lines.length > 0);
    expect(lines[0]).toEqual({ data: { got: { old: true } } });
  });
});
