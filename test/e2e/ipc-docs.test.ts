/** The example of docs/brokers-wire.md for IPC, run as it stands: a parent and its children. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { PROJECT_FOLDER, startProgram } from '../support/process.ts';

const CHILDREN = 4;

/** The page's programs by the name that stands at the head of each. */
function programs(): Readonly<Record<string, string>> {
  const page = readFileSync(join(PROJECT_FOLDER, 'docs/brokers-wire.md'), 'utf8');
  const blocks = page.matchAll(/```js\n\/\/ (\w+\.mjs)\n([\s\S]*?)```/g);
  return Object.fromEntries([...blocks].map(([, name, code]) => [name, code]));
}

it('docs/brokers-wire.md shows a parent that its children answer', async () => {
  const files = programs();
  expect(Object.keys(files)).toEqual(['parent.mjs', 'child.mjs']);
  const folder = mkdtempSync(join(tmpdir(), 'spectacles-ipc-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(PROJECT_FOLDER, join(folder, 'node_modules/spectacles'));
  const parent = startProgram('parent.mjs', [], { folder, files });
  await parent.until('every child is there', () => parent.stdoutLines.length === CHILDREN);
  expect(parent.stdoutLines).toEqual(Array(CHILDREN).fill('42'));
  expect(parent.stderr).toBe('');
});
