/**
 * How the gate of an identity is shared with other proxies: the permits that count are those of
 * all.
 *
 * A permit that was not used yet stands in the store for SHARED_LEASE_MS and is said anew
 * meanwhile, so that those of a proxy that dies go by themselves. The lines of those who wait stay
 * where they are.
 */
import { z } from 'zod';
import {
  ARRIVAL_MAX_MS,
  GLOBAL_MARGIN_MS,
  GLOBAL_WINDOW_MS,
  SHARED_KEPT_MAX_MS,
  SHARED_KEPT_MS,
  SHARED_LEASE_MS,
} from '../../protocols/limits.ts';
import type { SharedMachine } from '../shared/turns.ts';
import {
  type GateEffect,
  type GateInput,
  type GateState,
  type OthersPermit,
  roll,
  transition,
} from './machine.ts';
import { areSame, toArray } from './times.ts';

const storedGate = z.object({
  permits: z.array(z.object({ proxy: z.string(), untilMs: z.number() })),
  shutUntilMs: z.number(),
  pacedUntilMs: z.number(),
  lastGrantMs: z.number(),
});

type Stored = z.infer<typeof storedGate>;

function read(text: string, byMs: number): Stored | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const { data } = storedGate.safeParse(value);
  return data === undefined ? null : shift(data, byMs);
}

const shift = (stored: Stored, byMs: number): Stored => ({
  permits: stored.permits.map((one) => ({ ...one, untilMs: one.untilMs + byMs })),
  shutUntilMs: stored.shutUntilMs + byMs,
  pacedUntilMs: stored.pacedUntilMs + byMs,
  lastGrantMs: stored.lastGrantMs + byMs,
});

export function gateSharing<Asker>(
  proxy: string,
): SharedMachine<GateState<Asker>, GateInput<Asker>, GateEffect<Asker>> {
  return {
    look: { kind: 'wake' },
    transition,
    arrange: (state, share, { length: ahead }) => ({ ...state, share, ahead }),
    isNews(before, after, _effects, nowMs) {
      const past = roll(before, nowMs);
      const isSame =
        areSame(past.counted, after.counted) &&
        past.open.length === after.open.length &&
        past.open.every(({ id, untilMs }, index) => {
          const now = after.open[index];
          return now?.id === id && now.untilMs === untilMs;
        });
      return !isSame || past.shutUntilMs !== after.shutUntilMs;
    },
    isTurn: (effects) => effects.some(({ kind }) => kind === 'grant'),
    waitsFor: ({ lines }) =>
      Object.values(lines).some(({ length }) => length > 0) ? 'a turn' : null,
    holds: ({ open }) => open.some(({ untilMs }) => !Number.isFinite(untilMs)),
    write(state, { offsetMs, errorMs }, nowMs) {
      const untilMs = [...toArray(state.counted), ...state.open.map((one) => one.untilMs)];
      const own = untilMs.map(
        (endMs): OthersPermit => ({
          proxy,
          untilMs: Number.isFinite(endMs) ? endMs + errorMs : nowMs + SHARED_LEASE_MS,
        }),
      );
      const { shutUntilMs, pacedUntilMs, lastGrantMs } = state;
      const stored = { permits: [...own, ...state.others], shutUntilMs, pacedUntilMs, lastGrantMs };
      const matterMs = Math.max(0, shutUntilMs - nowMs) + SHARED_KEPT_MS;
      const keptMs = Math.min(matterMs, SHARED_KEPT_MAX_MS);
      return { text: JSON.stringify(shift(stored, offsetMs)), keptMs };
    },
    adopt(state, text, _apart, { offsetMs, errorMs }) {
      const stored = text === null ? null : read(text, -offsetMs);
      if (stored === null) return state;
      return {
        ...state,
        others: stored.permits.filter((one) => one.proxy !== proxy),
        slackMs: errorMs,
        shutUntilMs: Math.max(state.shutUntilMs, stored.shutUntilMs),
        pacedUntilMs: Math.max(state.pacedUntilMs, stored.pacedUntilMs),
        lastGrantMs: Math.max(state.lastGrantMs, stored.lastGrantMs),
      };
    },
    unsure(state, untilMs) {
      // What others have sent of late still counts, and nobody knows any more what that was.
      const countedMs = ARRIVAL_MAX_MS + GLOBAL_WINDOW_MS + GLOBAL_MARGIN_MS;
      return { ...state, shutUntilMs: Math.max(state.shutUntilMs, untilMs + countedMs) };
    },
  };
}
