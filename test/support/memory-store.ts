/**
 * A store of shared limits in memory: what each of the scripts does, as plain code on any clock.
 * The contract test holds it to what a real Redis does with the same scripts.
 */
import type { Clock } from '../../protocols/ports.ts';
import { EXCHANGE_SCRIPT, GREET_SCRIPT, LEAVE_SCRIPT } from '../../src/proxy/limits/scripts.ts';

type Waiting = { readonly since: number; readonly kept: number; readonly what: string };

type Place = {
  version: string;
  text: string | null;
  readonly waiting: Map<string, Waiting>;
};

type Memory = { readonly name: string; readonly usedMs: number };

/** A key of the store, which expires unless it is null when. */
type Key = { readonly value: unknown; expiresMs: number };

export class MemoryStore {
  /** What is told of each word that is published. */
  readonly published: (channel: string, word: string) => void;
  exchanges = 0;
  conflicts = 0;
  readonly #clock: Pick<Clock, 'epochMs'>;
  readonly #keys = new Map<string, Key>();

  constructor(clock: Pick<Clock, 'epochMs'>, published: (channel: string, word: string) => void) {
    this.#clock = clock;
    this.published = published;
  }

  /** Answers as Redis does. */
  run(script: string, keys: readonly string[], values: readonly string[]): unknown {
    const [first = '', second = ''] = keys;
    if (script === EXCHANGE_SCRIPT) return this.#exchange(first, values);
    if (script === GREET_SCRIPT) return this.#greet(first, second, values);
    if (script === LEAVE_SCRIPT) return this.#leave(first, values);
    throw new Error('the store in memory does not know this script');
  }

  /** As a server that is started anew without what it had. */
  lose(): void {
    this.#keys.clear();
  }

  /** How long a key is kept; null where there is none. */
  keptMs(key: string): number | null {
    const found = this.#find(key);
    return found === undefined ? null : found.expiresMs - this.#clock.epochMs();
  }

  /** The text of every place. */
  get texts(): ReadonlyMap<string, string | null> {
    const texts = new Map<string, string | null>();
    for (const [key, { value }] of this.#keys) if (isPlace(value)) texts.set(key, value.text);
    return texts;
  }

  #exchange(key: string, values: readonly string[]): unknown {
    const [me = '', expected = '', next = '', text = '', keptMs, waitsFor = '', hadTurn] = values;
    const [waitKeptMs, channel = '', name = ''] = values.slice(7);
    const { time, nowMs } = this.#time();
    const known = this.#find(key);
    const place: Place =
      known !== undefined && isPlace(known.value)
        ? known.value
        : { version: '', text: null, waiting: new Map() };
    const isExpected = place.version === expected;
    const before = place.waiting.get(me);
    place.waiting.delete(me);
    for (const [proxy, one] of place.waiting) if (one.kept <= nowMs) place.waiting.delete(proxy);
    const others = [...place.waiting];
    let mine: Waiting | null = null;
    if (waitsFor !== '') {
      const isNew = before === undefined || (isExpected && hadTurn === '1');
      const kept = nowMs + Number(waitKeptMs);
      mine = { since: isNew ? nowMs : before.since, kept, what: waitsFor };
      if (kept > nowMs) place.waiting.set(me, mine);
    }
    const ahead = others
      .filter(
        ([proxy, { since }]) =>
          mine === null || since < mine.since || (since === mine.since && proxy < me),
      )
      .map(([, { what }]) => what);
    this.exchanges += 1;
    if (!isExpected) this.conflicts += 1;
    const reply = [...time, isExpected ? 1 : 0];
    if (isExpected && next !== '') {
      place.version = next;
      place.text = text;
      this.#keep(key, place, Number(keptMs));
      for (const [proxy] of others) this.published(`${channel}${proxy}`, name);
    } else if (place.waiting.size > 0) {
      const leftMs = known === undefined ? 0 : known.expiresMs - this.#clock.epochMs();
      this.#keep(key, place, Math.max(leftMs, Number(waitKeptMs)));
    } else if (place.version === '') this.#keys.delete(key);
    return [...reply, place.version, isExpected ? null : place.text, ahead];
  }

  #greet(proxiesKey: string, memoryKey: string, values: readonly string[]): unknown {
    const [me = '', name = '', memoryKeptMs, seenMs, knownMemory, givesUp, ...known] = values;
    const { time, nowMs } = this.#time();
    const stored = this.#find(memoryKey)?.value as Memory | undefined;
    const isUntrue =
      stored !== undefined &&
      (nowMs < stored.usedMs || (stored.name === knownMemory && givesUp === '1'));
    if (isUntrue) this.#keys.delete(proxiesKey);
    const memory = stored === undefined || isUntrue ? name : stored.name;
    this.#keep(memoryKey, { name: memory, usedMs: nowMs } satisfies Memory, Number(memoryKeptMs));
    const found = this.#find(proxiesKey)?.value;
    const seen = found instanceof Map ? (found as Map<string, number>) : new Map<string, number>();
    seen.set(me, nowMs);
    for (let index = 0; memory !== knownMemory && index + 1 < known.length; index += 2) {
      const other = known[index] ?? '';
      if (!seen.has(other)) seen.set(other, nowMs - Number(known[index + 1]));
    }
    for (const [other, atMs] of seen) if (atMs <= nowMs - Number(seenMs)) seen.delete(other);
    this.#keep(proxiesKey, seen, Number(seenMs));
    const members = [...seen].sort(
      ([one, oneMs], [other, otherMs]) => oneMs - otherMs || (one < other ? -1 : 1),
    );
    return [
      ...time,
      memory,
      ...members.flatMap(([other, atMs]) => [other, (nowMs - atMs).toFixed(0)]),
    ];
  }

  #leave(proxiesKey: string, [proxy = '']: readonly string[]): number {
    const found = this.#find(proxiesKey)?.value;
    const isGone = found instanceof Map && found.delete(proxy);
    if (found instanceof Map && found.size === 0) this.#keys.delete(proxiesKey);
    return isGone ? 1 : 0;
  }

  #time(): { readonly time: readonly [string, string]; readonly nowMs: number } {
    const epochMs = this.#clock.epochMs();
    const seconds = Math.floor(epochMs / 1_000);
    const microseconds = Math.floor((epochMs - seconds * 1_000) * 1_000);
    const nowMs = seconds * 1_000 + Math.floor(microseconds / 1_000);
    return { time: [String(seconds), String(microseconds)], nowMs };
  }

  #find(key: string): Key | undefined {
    const found = this.#keys.get(key);
    if (found === undefined || found.expiresMs > this.#clock.epochMs()) return found;
    this.#keys.delete(key);
    return undefined;
  }

  #keep(key: string, value: unknown, keptMs: number): void {
    this.#keys.set(key, { value, expiresMs: this.#clock.epochMs() + keptMs });
  }
}

const isPlace = (value: unknown): value is Place =>
  typeof value === 'object' && value !== null && 'waiting' in value;
