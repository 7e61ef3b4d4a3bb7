/**
 * The results as Markdown: what was run on what, how, what came of it, and what was wanted of it.
 *
 * Every number and every judgement is computed from the samples of this run.
 */
import type { Fact } from '../machine.ts';
import type { Plan } from '../plan.ts';
import type { Result } from './result.ts';
import { sectionsOf, table } from './tables.ts';
import { sentence, type Target, targetsOf, verdict } from './targets.ts';

/** Where the time of a row goes: the lines of its profile. */
export type ProfileText = { readonly label: string; readonly kind: string; readonly text: string };

export type Report = {
  readonly facts: readonly Fact[];
  readonly method: readonly string[];
  readonly results: readonly Result[];
  readonly profiles: readonly ProfileText[];
  readonly plan: Plan;
  /** The chart, from where the report lies; only if there is one. */
  readonly chart?: string;
};

export function writeReport({ facts, method, results, profiles, plan, chart }: Report): string {
  const sections = sectionsOf(results, plan).flatMap(({ title, text, table: rows }) => [
    `## ${title}`,
    ...(text === undefined ? [] : [text]),
    rows,
  ]);
  return `${[
    '# Results',
    'Written by `npm run bench`; docs/benchmarks.md says how to run it, how to read this, and what was tried where a target is missed.',
    ...targetSection(targetsOf(results)),
    ...(chart === undefined ? [] : [`![The figures as a chart](${chart})`]),
    ...sections,
    ...profileSection(profiles),
    '## Machine',
    table(
      ['', ''],
      facts.map(([name, value]) => [name, value]),
    ),
    '## Method',
    method.map((line) => `- ${line}`).join('\n'),
  ].join('\n\n')}\n`;
}

function targetSection(targets: readonly Target[]): readonly string[] {
  const judged = targets.filter((target) => verdict(target) !== 'not measured');
  if (judged.length === 0) return [];
  const met = judged.filter((target) => verdict(target) === 'met').length;
  const rows = judged.map((target) => [target.subject, sentence(target), target.note]);
  return [
    '## Targets',
    `${met} of ${judged.length} met. The judge is the steady rate wherever events come through a socket, since they come so from Discord: each in a TCP segment of its own. What the same is at full speed stands beside it.`,
    table(['what', 'result', 'how it is judged'], rows),
  ];
}

function profileSection(profiles: readonly ProfileText[]): readonly string[] {
  if (profiles.length === 0) return [];
  return [
    '## Where the time goes',
    'Of the rows that miss a target: the functions that were at work most often themselves, of the time that was not idle. A profile counts the time in which a call waits for its turn on the processor, too.',
    ...profiles.flatMap(({ label, kind, text }) => [
      `**${label}**, ${kind === 'full' ? 'at full speed' : 'at the steady rate'}`,
      `\`\`\`\n${text}\n\`\`\``,
    ]),
  ];
}
