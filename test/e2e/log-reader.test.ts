/** Whoever reads the log may be as slow as it likes: a process writes it and goes on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const TALKATIVE = fileURLToPath(new URL('./fixtures/talkative.mjs', import.meta.url));
/** What the program logs, in turns and lines, and the turn after which its log is read. */
const TURNS = 60;
const LINES = 200;
const READ_FROM_TURN = 50;

it('GP-89: goes on while nobody reads its log, and says how many lines that has cost', async () => {
  const child = spawn(process.execPath, [TALKATIVE], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  let said = '';
  for await (const turn of createInterface({ input: child.stdout })) {
    // Until here every turn went by although the pipe of the log has long been full.
    if (Number(turn) === READ_FROM_TURN) said = await text(child.stderr);
  }
  expect(await ended).toEqual([0, null]);
  const lines = said.trimEnd().split('\n');
  const messages = lines.map((line): string => JSON.parse(line).msg);
  const dropped = messages
    .map((message) => Number(/^(\d+) lines of the log were dropped/.exec(message)?.[1] ?? 0))
    .reduce((sum, count) => sum + count, 0);
  expect(dropped).toBeGreaterThan(0);
  const written = messages.filter((message) => message === 'a line').length;
  expect(written + dropped).toBe(TURNS * LINES);
});
