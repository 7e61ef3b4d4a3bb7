/** How the figures of a run came about, in sentences with its own numbers. */
import type { Plan } from './plan.ts';
import type { SourceReport } from './source/source.ts';

export function methodOf(plan: Plan, source: SourceReport): readonly string[] {
  const sizes = Object.entries(source.wireBytes).map(
    ([compression, bytes]) => `${compression} ${Math.round(bytes)} B`,
  );
  const { events, requests } = plan.effort;
  const number = (value: number): string => value.toLocaleString('en-US');
  const few =
    plan.fewRounds === 0
      ? 'rows that take long left out'
      : `${plan.fewRounds} of rows that take long`;
  return [
    `Rounds: ${plan.rounds}, ${few}, every other one backwards. A figure is the median, with the least and the most in brackets.`,
    'Each sample has a process of its own, beside those that feed it and take from it; all on loopback.',
    `µs are processor time of the whole measured process for an event or a request (user and system, every thread), over about ${number(events.fullMs)} ms after a warm-up of ${number(events.warmUpEvents)} events.`,
    `Full speed: as fast as they are taken, many events in one TCP segment. At ${number(events.steadyPerSecond)}/s: evenly spaced, each in a segment of its own, for ${number(events.steadyMs)} ms. Targets are judged at that rate, unless they say otherwise.`,
    `Events are MESSAGE_CREATE of 1,024 bytes, all different; a frame takes ${sizes.join(', ')} on the wire (zstd made by ${source.zstd}).`,
    'Gateway rows run the whole gateway service with payload `json`, or with the one that they name; an event is done when the broker has confirmed it. Every event is counted at the consumer: one that is missing, twice or wrong fails the run.',
    'Peers run unmodified with the client libraries that they bring along and with their own defaults; an event is done when their publish has resolved.',
    'Heap bytes are the growth of the JavaScript heap for an event while the collector was quiet.',
    'Memory is that of a process with so many shards after three collections; what one shard takes is the slope from 100 to 1,000.',
    `Proxies answer 32 callers, each of which sends its next request when it has its answer; and at ${number(requests.steadyPerSecond)} and ${number(requests.halfPerSecond ?? 0)} requests a second, whatever became of those before. The upstream is node:http with true rate-limit headers that never bind. A request that is not answered with 200 fails the run.`,
    'A dash stands for what could not be measured: the row does not keep up with the rate, or the collector was never quiet.',
  ];
}
