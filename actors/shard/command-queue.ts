/**
 * The commands that wait for one shard: pure, a machine beside the shard's own.
 *
 * Purpose: each command leaves in the order in which it came, as soon as it may, or is refused when
 * its time is up. Its sender hears of exactly one fate.
 *
 * Inner workings: one command at a time is with the connection, to be written; the others wait
 * here, so that they outlive connections, and go out once a session is there. When the connection's
 * window of frames is full it says for how long. A whole list of a guild's members is due no sooner
 * than Discord allows; commands behind it pass it. A request for members that Discord limited
 * (RATE_LIMITED) is put back, and repeated when Discord says; its sender has heard long before that
 * it was sent.
 *
 * Failure: what was not written waits on, in its place. A full queue refuses.
 */
import { type CommandRefusal, CommandRefusedError } from '../../protocols/errors.ts';
import type { GatewayCommand } from '../../protocols/gateway/commands.ts';
import {
  COMMAND_WAIT_MAX_MS,
  COMMANDS_PER_SHARD_MAX,
  MEMBER_LIST_MARGIN_MS,
  MEMBER_LIST_WINDOW_MS,
  MEMBER_REQUEST_REMEMBERED_MS,
  MEMBER_REQUEST_REPEATS_MAX,
  MEMBER_REQUESTS_REMEMBERED_MAX,
} from '../../protocols/limits.ts';

type Waiting = {
  readonly id: number;
  readonly command: GatewayCommand;
  readonly expiresAtMs: number;
  /** Discord takes it no sooner. */
  readonly notBeforeMs: number;
  /** How often Discord has limited it; from the first time on nobody waits for its fate. */
  readonly repeats: number;
};

/** A request for members that may still be limited. */
type Remembered = { readonly entry: Waiting; readonly sentAtMs: number };

export type CommandQueue = {
  /**
   * In the order in which they came; what is with the connection is the one with the id `leased`.
   */
  readonly waiting: readonly Waiting[];
  readonly leased: number | undefined;
  /** A session is there. */
  readonly isLive: boolean;
  /** Before this the connection has no room. */
  readonly roomAtMs: number;
  /** When the next list of all members of a guild may be asked for. */
  readonly listAtMs: ReadonlyMap<string, number>;
  readonly remembered: readonly Remembered[];
};

export type CommandInput =
  | {
      readonly type: 'command';
      readonly id: number;
      readonly command: GatewayCommand;
      readonly expiresAtMs: number;
    }
  /** READY or RESUMED has come. */
  | { readonly type: 'live' }
  /** The connection has ended. */
  | { readonly type: 'down' }
  /** Discord will not have this shard. */
  | { readonly type: 'failed' }
  | { readonly type: 'written'; readonly id: number }
  | { readonly type: 'unwritten'; readonly id: number; readonly retryInMs: number }
  /** Discord's RATE_LIMITED of a request for members. */
  | {
      readonly type: 'limited';
      readonly guildId: string;
      readonly nonce: string | undefined;
      readonly retryInMs: number;
    }
  | { readonly type: 'due' };

export type CommandEffect =
  | { readonly type: 'send'; readonly id: number; readonly command: GatewayCommand }
  | { readonly type: 'sent'; readonly id: number; readonly command: GatewayCommand }
  | { readonly type: 'refuse'; readonly id: number; readonly error: CommandRefusedError }
  | { readonly type: 'arm'; readonly delayMs: number }
  | { readonly type: 'disarm' };

export type CommandStep = {
  readonly queue: CommandQueue;
  readonly effects: readonly CommandEffect[];
};

export const EMPTY_QUEUE: CommandQueue = {
  waiting: [],
  leased: undefined,
  isLive: false,
  roomAtMs: Number.NEGATIVE_INFINITY,
  listAtMs: new Map(),
  remembered: [],
};

export function stepCommands(queue: CommandQueue, input: CommandInput, nowMs: number): CommandStep {
  const { queue: next, effects } = take(queue, input, nowMs);
  return proceed(next, effects, nowMs);
}

function take(queue: CommandQueue, input: CommandInput, nowMs: number): CommandStep {
  switch (input.type) {
    case 'command':
      return enter(queue, input);
    case 'live':
      return stay({ ...queue, isLive: true, leased: undefined, roomAtMs: nowMs });
    case 'down':
      return stay({ ...queue, isLive: false, leased: undefined });
    case 'failed':
      return refuseAll(queue);
    case 'written':
      return written(queue, input.id, nowMs);
    case 'unwritten':
      if (queue.leased !== input.id) return stay(queue);
      return stay({ ...queue, leased: undefined, roomAtMs: nowMs + input.retryInMs });
    case 'limited':
      return limited(queue, input, nowMs);
    case 'due':
      return stay(queue);
  }
}

function stay(queue: CommandQueue): CommandStep {
  return { queue, effects: [] };
}

function enter(
  queue: CommandQueue,
  { id, command, expiresAtMs }: Extract<CommandInput, { type: 'command' }>,
): CommandStep {
  if (queue.waiting.length >= COMMANDS_PER_SHARD_MAX) {
    const message = `${queue.waiting.length} commands wait for the shard already; try again later`;
    return { queue, effects: [refusal(id, 'full', message)] };
  }
  const notBeforeMs = Number.NEGATIVE_INFINITY;
  const entry: Waiting = { id, command, expiresAtMs, notBeforeMs, repeats: 0 };
  return stay({ ...queue, waiting: [...queue.waiting, entry] });
}

function refuseAll(queue: CommandQueue): CommandStep {
  const effects = queue.waiting
    .filter(({ repeats }) => repeats === 0)
    .map(({ id }) =>
      refusal(id, 'failed', 'Discord does not accept the shard; the log of the gateway says why'),
    );
  return { queue: { ...queue, waiting: [], leased: undefined, isLive: false }, effects };
}

function written(queue: CommandQueue, id: number, nowMs: number): CommandStep {
  const entry = queue.waiting.find((candidate) => candidate.id === id);
  if (entry === undefined) return stay(queue);
  const { command, repeats } = entry;
  const next: CommandQueue = {
    ...queue,
    waiting: queue.waiting.filter((candidate) => candidate !== entry),
    leased: queue.leased === id ? undefined : queue.leased,
    ...remember(queue, entry, nowMs),
  };
  return { queue: next, effects: repeats === 0 ? [{ type: 'sent', id, command }] : [] };
}

function remember(
  { listAtMs, remembered }: CommandQueue,
  entry: Waiting,
  nowMs: number,
): Pick<CommandQueue, 'listAtMs' | 'remembered'> {
  const { members } = entry.command;
  if (members === undefined) return { listAtMs, remembered };
  const fresh = remembered.filter(
    ({ sentAtMs }) => nowMs - sentAtMs < MEMBER_REQUEST_REMEMBERED_MS,
  );
  const kept = [...fresh, { entry, sentAtMs: nowMs }].slice(-MEMBER_REQUESTS_REMEMBERED_MAX);
  if (!members.isList) return { listAtMs, remembered: kept };
  const nextMs = nowMs + MEMBER_LIST_WINDOW_MS + MEMBER_LIST_MARGIN_MS;
  return { listAtMs: listsWith(listAtMs, members.guildId, nextMs, nowMs), remembered: kept };
}

/** Guilds whose wait is over are forgotten, so there are no more than a window has frames. */
function listsWith(
  lists: ReadonlyMap<string, number>,
  guildId: string,
  atMs: number,
  nowMs: number,
): ReadonlyMap<string, number> {
  return new Map([...lists].filter(([, dueMs]) => dueMs > nowMs)).set(guildId, atMs);
}

function limited(
  queue: CommandQueue,
  { guildId, nonce, retryInMs }: Extract<CommandInput, { type: 'limited' }>,
  nowMs: number,
): CommandStep {
  const atMs = nowMs + retryInMs + MEMBER_LIST_MARGIN_MS;
  const listAtMs = listsWith(queue.listAtMs, guildId, atMs, nowMs);
  const found = queue.remembered.findLast(
    ({ entry: { command } }) =>
      command.members?.guildId === guildId &&
      (nonce === undefined || command.members.nonce === nonce),
  );
  if (found === undefined) return stay({ ...queue, listAtMs });
  const remembered = queue.remembered.filter((candidate) => candidate !== found);
  const repeats = found.entry.repeats + 1;
  if (repeats > MEMBER_REQUEST_REPEATS_MAX || retryInMs > COMMAND_WAIT_MAX_MS) {
    return stay({ ...queue, listAtMs, remembered });
  }
  const expiresAtMs = atMs + COMMAND_WAIT_MAX_MS;
  const again: Waiting = { ...found.entry, repeats, notBeforeMs: atMs, expiresAtMs };
  return stay({ ...queue, listAtMs, remembered, waiting: [again, ...queue.waiting] });
}

/** Refuses what has waited too long, and hands the connection the next command. */
function proceed(
  queue: CommandQueue,
  before: readonly CommandEffect[],
  nowMs: number,
): CommandStep {
  const late = queue.waiting.filter(
    ({ id, expiresAtMs }) => expiresAtMs <= nowMs && id !== queue.leased,
  );
  const effects = [
    ...before,
    ...late
      .filter(({ repeats }) => repeats === 0)
      .map(({ id }) => refusal(id, 'expired', 'the shard could not send it in time')),
  ];
  const waiting = queue.waiting.filter((entry) => !late.includes(entry));
  const rest = { ...queue, waiting };
  const isFree = rest.isLive && rest.leased === undefined;
  const next =
    isFree && rest.roomAtMs <= nowMs
      ? waiting.find((entry) => dueAtMs(rest, entry) <= nowMs)
      : undefined;
  if (next !== undefined) {
    const { id, command } = next;
    const leased = { ...rest, leased: id };
    return {
      queue: leased,
      effects: [...effects, { type: 'send', id, command }, alarm(leased, nowMs)],
    };
  }
  return { queue: rest, effects: [...effects, alarm(rest, nowMs)] };
}

/** When Discord's limits let it go. */
function dueAtMs({ listAtMs }: CommandQueue, { command, notBeforeMs }: Waiting): number {
  const { members } = command;
  const listMs = members?.isList ? listAtMs.get(members.guildId) : undefined;
  return Math.max(notBeforeMs, listMs ?? Number.NEGATIVE_INFINITY);
}

/** The next moment at which anything has to happen by itself. */
function alarm(queue: CommandQueue, nowMs: number): CommandEffect {
  const isFree = queue.isLive && queue.leased === undefined;
  let atMs = Number.POSITIVE_INFINITY;
  for (const entry of queue.waiting) {
    if (entry.id === queue.leased) continue;
    atMs = Math.min(atMs, entry.expiresAtMs);
    if (isFree) atMs = Math.min(atMs, Math.max(queue.roomAtMs, dueAtMs(queue, entry)));
  }
  if (atMs === Number.POSITIVE_INFINITY) return { type: 'disarm' };
  return { type: 'arm', delayMs: Math.max(0, atMs - nowMs) };
}

function refusal(id: number, reason: CommandRefusal, message: string): CommandEffect {
  return { type: 'refuse', id, error: new CommandRefusedError(reason, message) };
}
