/**
 * Keeps the house tidy: layers, circles, dead files, dead exports, and the one place that knows
 * nact.
 *
 * It reads the sources as text. An import is any `from '…'` or `import('…')` with a relative path.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** From the lowest layer up; a layer may import itself and those before it. */
const LAYERS = ['protocols', 'actors', 'supervisors', 'src'];

/** Files that something else than an import starts. */
const ENTRIES = ['src/main.ts', 'src/index.ts', 'src/simulator/index.ts', 'src/discordjs/index.ts'];

/** As wide as the formatter lets code be; it leaves comments alone. */
const WIDTH = 100;
const COMMENT = /^\s*(\/\*|\*|\/\/)/;
const ADDRESS = /^\s*(\/\*\*?|\*|\/\/) *\S+$/;

type Source = {
  readonly path: string;
  readonly text: string;
  readonly words: ReadonlySet<string>;
  readonly imports: readonly string[];
  readonly packages: readonly string[];
};

const sources = readSources(LAYERS);
const tests = readSources(['test', 'bench']);
const byPath = new Map(sources.map((source) => [source.path, source]));
const doors = readDoors();

describe('the house', () => {
  it('has sources in every layer', () => {
    for (const layer of LAYERS)
      expect(sources.some(({ path }) => layerOf(path) === layer)).toBe(true);
  });

  it('imports one way only: protocols, actors, supervisors, src', () => {
    const upward = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => LAYERS.indexOf(layerOf(target)) > LAYERS.indexOf(layerOf(path)))
        .map((target) => `${path} imports ${target}`),
    );
    expect(upward).toEqual([]);
  });

  it('imports nact in one file only', () => {
    const users = sources.filter(({ packages }) => packages.includes('nact'));
    expect(users.map(({ path }) => path)).toEqual(['actors/runtime.ts']);
  });

  it('has no circles', () => {
    expect(circles()).toEqual([]);
  });

  it('has no import that leads nowhere', () => {
    const missing = sources.flatMap(({ path, imports }) =>
      imports.filter((target) => !byPath.has(target)).map((target) => `${path} imports ${target}`),
    );
    expect(missing).toEqual([]);
  });

  it('has no dead files: each is reached from an entry', () => {
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const target of byPath.get(path)?.imports ?? []) visit(target);
    };
    for (const entry of ENTRIES) visit(entry);
    expect(sources.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });

  it('exports no dead value: each is used by another file or by a test', () => {
    const everything = [...sources, ...tests];
    const dead = sources.flatMap((source) => {
      if (ENTRIES.includes(source.path)) return [];
      return exportsOf(source.text)
        .filter((name) => !usedElsewhere(name, source, everything))
        .map((name) => `${source.path} exports ${name}`);
    });
    expect(dead).toEqual([]);
  });

  it('enters the rooms of a module by its door', () => {
    const byWindow = [...sources, ...tests].flatMap(({ path, imports }) =>
      imports
        .filter((target) => doors.has(target) && doorOf(target) !== doorOf(path))
        .map((target) => `${path} imports ${target}, not ${doorOf(target)}`),
    );
    expect(byWindow).toEqual([]);
  });

  it('reads no clock and draws no random number in a machine or a protocol', () => {
    const impure = /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|process\.env)\b/;
    const layers = sources.filter(({ path }) => layerOf(path) !== 'src');
    expect(layers.filter(({ text }) => impure.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('has no comment that is wider than the code may be', () => {
    const wide = [...sources, ...tests].flatMap(({ path, text }) =>
      text
        .split('\n')
        .map((line, index) => ({ line, place: `${path}:${index + 1}` }))
        // An address has no place at which it could be broken.
        .filter(({ line }) => line.length > WIDTH && COMMENT.test(line) && !ADDRESS.test(line))
        .map(({ place }) => place),
    );
    expect(wide).toEqual([]);
  });

  it('leaves nothing for later', () => {
    const marks = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X'.repeat(3)].join('|'));
    expect(
      [...sources, ...tests].filter(({ text }) => marks.test(text)).map(({ path }) => path),
    ).toEqual([]);
  });

  it('runs every test: none is focused or skipped', () => {
    const marks = /\b(?:it|test|describe)\.(?:only|skip|todo|skipIf|runIf)\b/;
    const others = tests.filter(({ path }) => !path.endsWith('tidy.test.ts'));
    expect(others.filter(({ text }) => marks.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

function readSources(folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readSource(join(folder, name))),
  );
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport\(|\bimport)\s*'([^']+)'/g)].map(
    (match) => match[1] ?? '',
  );
  return {
    path,
    text,
    words: new Set(text.match(/\w+/g)),
    imports: specifiers
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => resolve(path, specifier)),
    packages: specifiers.filter((specifier) => !specifier.startsWith('.')),
  };
}

/** By each room its door: the file that passes on all that the room exports. */
function readDoors(): Map<string, string> {
  return new Map(
    sources.flatMap(({ path, text }) =>
      [...text.matchAll(/^export \* from '(\.[^']+)'/gm)].map((match) => [
        resolve(path, match[1] ?? ''),
        path,
      ]),
    ),
  );
}

/** The file that speaks for this one: its door, if it is a room, or itself. */
function doorOf(path: string): string {
  return doors.get(path) ?? path;
}

function resolve(path: string, specifier: string): string {
  return relative(root, normalize(join(root, dirname(path), specifier)));
}

function layerOf(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at !== -1) found.push([...trail.slice(at), path].join(' -> '));
    if (at !== -1 || done.has(path)) return;
    for (const target of byPath.get(path)?.imports ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  return found;
}

function exportsOf(text: string): string[] {
  const declared = text.matchAll(
    /^export (?:declare )?(?:abstract )?(?:async )?(?:function|const|class)\*? (\w+)/gm,
  );
  return [...declared].map((match) => match[1] ?? '');
}

/** A use by another room of the same module is no use elsewhere, nor is one by its door. */
function usedElsewhere(name: string, source: Source, everything: readonly Source[]): boolean {
  const door = doorOf(source.path);
  return everything.some(({ path, words }) => words.has(name) && doorOf(path) !== door);
}
