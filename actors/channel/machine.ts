/**
 * One channel's life as a pure function: establishing, open, ended.
 *
 * A channel holds one link. It starts by establishing it (connect, topology, every subscription),
 * is then open until the link is lost, and ends with the reason; it never reconnects. Subscriptions
 * may come and go while it is still establishing: what differs is made good when the link is there.
 *
 * A link that takes events and confirms nothing for CONFIRM_STALL_MS is as good as lost, unless the
 * broker has said that it blocks publishers. Then nothing is published until it says otherwise.
 */
import type { Reply } from '../../protocols/actor.ts';
import { FatalError, type SpectaclesError } from '../../protocols/errors.ts';
import { CONFIRM_STALL_MS } from '../../protocols/limits.ts';
import type { Link } from './link.ts';

/** How a channel ends when it is not stopped and does not crash. */
export type ChannelExit =
  /** The link could not be opened, or was lost; another attempt may succeed. */
  | { readonly kind: 'lost'; readonly reason: unknown; readonly wasOpen: boolean }
  /** Another attempt cannot succeed. */
  | { readonly kind: 'fatal'; readonly error: SpectaclesError };

export type ChannelMessage =
  | { readonly kind: 'established'; readonly link: Link; readonly consumed: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: unknown }
  | { readonly kind: 'lost'; readonly reason: unknown }
  | { readonly kind: 'blocked'; readonly isBlocked: boolean }
  /** The desk has something that was not sent yet. */
  | { readonly kind: 'work' }
  | { readonly kind: 'subscribe'; readonly event: string; readonly done: Reply<void> }
  | { readonly kind: 'unsubscribe'; readonly event: string; readonly done: Reply<void> }
  | { readonly kind: 'consuming-failed'; readonly event: string; readonly reason: unknown }
  | {
      readonly kind: 'check';
      readonly nowMs: number;
      readonly settled: number;
      readonly outstanding: number;
    }
  /** A programming error that was caught outside this actor; it crashes here. */
  | { readonly kind: 'fault'; readonly error: unknown };

/** When confirms were last seen to move. */
type Progress = { readonly settled: number; readonly atMs: number };

export type ChannelState =
  | { readonly phase: 'establishing' }
  | {
      readonly phase: 'open';
      readonly link: Link;
      readonly isBlocked: boolean;
      readonly progress: Progress | undefined;
    }
  | { readonly phase: 'ended' };

export type ChannelEffect =
  | { readonly kind: 'open-writer'; readonly link: Link }
  | { readonly kind: 'pause-writer' }
  | { readonly kind: 'perform-waiting'; readonly link: Link }
  /** Consumes what is wanted and not in `consumed`, cancels what is in it and not wanted. */
  | { readonly kind: 'reconcile'; readonly link: Link; readonly consumed: readonly string[] }
  | {
      readonly kind: 'consume';
      readonly link: Link;
      readonly event: string;
      readonly done: Reply<void>;
    }
  | {
      readonly kind: 'cancel';
      readonly link: Link;
      readonly event: string;
      readonly done: Reply<void>;
    }
  | { readonly kind: 'answer'; readonly done: Reply<void> }
  | { readonly kind: 'announce'; readonly state: 'open' | 'away' }
  | { readonly kind: 'finish'; readonly exit: ChannelExit };

export type ChannelStep = {
  readonly state: ChannelState;
  readonly effects: readonly ChannelEffect[];
};

export const INITIAL_CHANNEL: ChannelState = { phase: 'establishing' };

export function stepChannel(state: ChannelState, message: ChannelMessage): ChannelStep {
  if (message.kind === 'fault') throw message.error;
  if (state.phase === 'open') return whenOpen(state, message);
  if (state.phase === 'establishing') return whenEstablishing(state, message);
  return whenEnded(state, message);
}

function stay(state: ChannelState, ...effects: readonly ChannelEffect[]): ChannelStep {
  return { state, effects };
}

function end(exit: ChannelExit): ChannelStep {
  return { state: { phase: 'ended' }, effects: [{ kind: 'finish', exit }] };
}

/** The link is gone, or was never there. */
function lose(state: ChannelState, reason: unknown): ChannelStep {
  if (reason instanceof FatalError) return end({ kind: 'fatal', error: reason });
  return end({ kind: 'lost', reason, wasOpen: state.phase === 'open' });
}

type Open = Extract<ChannelState, { phase: 'open' }>;

function check(state: Open, message: Extract<ChannelMessage, { kind: 'check' }>): ChannelStep {
  const { nowMs, settled, outstanding } = message;
  const moved = state.progress === undefined || state.progress.settled !== settled;
  if (moved || outstanding === 0 || state.isBlocked) {
    return stay({ ...state, progress: { settled, atMs: nowMs } });
  }
  const stalledMs = nowMs - (state.progress?.atMs ?? nowMs);
  if (stalledMs < CONFIRM_STALL_MS) return stay(state);
  const stall = `no confirm for ${Math.round(stalledMs)} ms, ${outstanding} outstanding`;
  return lose(state, new Error(stall));
}

function whenOpen(state: Open, message: ChannelMessage): ChannelStep {
  const { link } = state;
  switch (message.kind) {
    case 'work':
      // While publishers are blocked it waits on the desk: known there not to have been sent.
      return state.isBlocked ? stay(state) : stay(state, { kind: 'perform-waiting', link });
    case 'subscribe':
      return stay(state, { kind: 'consume', link, event: message.event, done: message.done });
    case 'unsubscribe':
      return stay(state, { kind: 'cancel', link, event: message.event, done: message.done });
    case 'consuming-failed':
    case 'lost':
      return lose(state, message.reason);
    case 'blocked':
      if (message.isBlocked === state.isBlocked) return stay(state);
      return message.isBlocked
        ? stay(
            { ...state, isBlocked: true },
            { kind: 'pause-writer' },
            { kind: 'announce', state: 'away' },
          )
        : stay(
            { ...state, isBlocked: false, progress: undefined },
            { kind: 'open-writer', link },
            { kind: 'perform-waiting', link },
            { kind: 'announce', state: 'open' },
          );
    case 'check':
      return check(state, message);
    default:
      return stay(state);
  }
}

function whenEstablishing(state: ChannelState, message: ChannelMessage): ChannelStep {
  switch (message.kind) {
    case 'established': {
      const { link, consumed } = message;
      return stay(
        { phase: 'open', link, isBlocked: false, progress: undefined },
        { kind: 'reconcile', link, consumed },
        { kind: 'open-writer', link },
        { kind: 'perform-waiting', link },
        { kind: 'announce', state: 'open' },
      );
    }
    case 'failed':
    case 'lost':
      return lose(state, message.reason);
    case 'subscribe':
    case 'unsubscribe':
      // It stands on the desk; the link will be made to agree with the desk when it is there.
      return stay(state, { kind: 'answer', done: message.done });
    default:
      return stay(state);
  }
}

function whenEnded(state: ChannelState, message: ChannelMessage): ChannelStep {
  if (message.kind === 'subscribe' || message.kind === 'unsubscribe') {
    return stay(state, { kind: 'answer', done: message.done });
  }
  return stay(state);
}
