/**
 * The main figures as a chart: panels of bars, each with its value, in an SVG that needs nothing
 * else.
 */
import { type FigureName, summarise } from '../figures.ts';
import type { Topic } from '../row.ts';
import { type Result, significant } from './result.ts';

type Bar = { readonly label: string; readonly value: number };
type Panel = { readonly title: string; readonly bars: readonly Bar[] };

const WIDTH = 900;
const LABEL_WIDTH = 320;
const BAR_WIDTH_MAX = WIDTH - LABEL_WIDTH - 100;
const BAR_HEIGHT = 16;
const LINE_HEIGHT = 22;
const TITLE_HEIGHT = 40;
const MARGIN = 20;
/** Ours stand out from what they are compared with. */
const OURS = '#4752c4';
const OTHERS = '#a3a8b4';

export function drawChart(results: readonly Result[]): string {
  const panels: Panel[] = [
    panel(
      results,
      'µs of processor time for an event of 1 KB, at the steady rate',
      'steadyMicros',
      ['forward', 'payload'],
    ),
    panel(results, 'µs of processor time for an event of 1 KB, at full speed', 'fullMicros', [
      'forward',
      'payload',
    ]),
    panel(results, 'requests a second, 200 channels and 32 callers', 'fullPerSecond', ['proxy']),
    panel(results, 'µs of processor time for an event, more shards', 'steadyMicros', ['shards']),
    panel(results, 'µs of processor time for an event, larger events', 'fullMicros', ['sizes']),
    panel(results, 'µs of processor time for a request, more buckets', 'fullMicros', ['buckets']),
  ].filter(({ bars }) => bars.length > 0);
  let top = MARGIN;
  const drawn = panels.map((each) => {
    const text = drawPanel(each, top);
    top += TITLE_HEIGHT + each.bars.length * LINE_HEIGHT + MARGIN;
    return text;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="sans-serif" font-size="13">`,
    '<title>What an event and a request cost, side by side</title>',
    `<rect width="${WIDTH}" height="${top}" fill="#fff"/>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function panel(
  results: readonly Result[],
  title: string,
  name: FigureName,
  topics: readonly Topic[],
): Panel {
  const bars = results.flatMap(({ label, row, samples }) => {
    const value = topics.includes(row.topic) ? summarise(samples, name)?.median : undefined;
    return value === undefined ? [] : [{ label, value }];
  });
  return { title, bars };
}

function drawPanel({ title, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const lines = bars.map(({ label, value }, index) => {
    const y = top + TITLE_HEIGHT + index * LINE_HEIGHT;
    const width = most > 0 ? Math.max(1, (BAR_WIDTH_MAX * value) / most) : 1;
    const colour = /^(gateway|proxy|buckets)/.test(label) ? OURS : OTHERS;
    const middle = y + BAR_HEIGHT - 3;
    return [
      `<text x="${LABEL_WIDTH - 8}" y="${middle}" text-anchor="end">${escaped(label)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" fill="${colour}"/>`,
      `<text x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${middle}">${significant(value)}</text>`,
    ].join('\n');
  });
  const head = `<text x="${MARGIN}" y="${top + 18}" font-weight="bold">${escaped(title)}</text>`;
  return [head, ...lines].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
