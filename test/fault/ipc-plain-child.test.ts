/** A parent and a plain child on a channel of JSON, which cannot carry every value. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { Ipc } from '../../src/client/ipc.ts';
import { until } from '../support/broker-bench.ts';

const ECHO = fileURLToPath(new URL('./fixtures/plain-echo.mjs', import.meta.url));

it('gives a plain child integers of 64 bits as their digits, and goes on', async () => {
  const parent = new Ipc('family', { role: 'parent' });
  onTestFinished(() => parent.disconnect());
  const echoed: unknown[] = [];
  parent.on('ECHO', (data, { ack }) => {
    echoed.push(data);
    return ack();
  });
  await parent.subscribe('ECHO');
  const child = parent.fork(fork(ECHO), [], { plain: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  await parent.publish('THING', { id: 2n ** 60n, list: [1, -(2n ** 60n)] });
  await parent.publish('THING', 'the next one');
  await until('both are back', () => echoed.length === 2);
  const digits = '1152921504606846976';
  expect(echoed).toEqual([{ id: digits, list: [1, `-${digits}`] }, 'the next one']);
});
