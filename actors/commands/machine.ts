/**
 * Where a command goes, and whether there is room for it. Pure.
 *
 * A shard of this process is told; one of another process is reached by the event of its id, which
 * only its owner consumes. One that came by that event when a newer process had just taken its
 * shard is handed back, for that process to take. Commands without a fate are counted for each
 * shard. A shard may have as many as are still free of COMMANDS_MAX, so one that is slow has half
 * of them at the most, two a third each, and there is always room for those of the others.
 */
import { CommandRefusedError } from '../../protocols/errors.ts';
import { COMMANDS_MAX } from '../../protocols/limits.ts';

export type CommandsState = {
  /** Commands without a fate, by shard. */
  readonly open: ReadonlyMap<number, number>;
  readonly total: number;
};

/** What this gateway can reach. */
export type CommandRoutes = {
  readonly owned: ReadonlySet<number>;
  /** Owned once: a newer process has them now. */
  readonly fenced: ReadonlySet<number>;
  readonly leadsToOthers: boolean;
};

export type CommandAddress = {
  readonly shard: number;
  /** It came by the event of the shard's id, and not by one that leads to every shard. */
  readonly isDirect: boolean;
};

export type CommandsStep = {
  readonly state: CommandsState;
  readonly way:
    | { readonly kind: 'shard' | 'forward' | 'hand-back' }
    | { readonly kind: 'refuse'; readonly error: CommandRefusedError };
};

export const NO_COMMANDS: CommandsState = { open: new Map(), total: 0 };

export function admitCommand(
  state: CommandsState,
  { shard, isDirect }: CommandAddress,
  { owned, fenced, leadsToOthers }: CommandRoutes,
): CommandsStep {
  const isOwn = owned.has(shard) && !fenced.has(shard);
  if (!isOwn && !leadsToOthers) {
    const message = `shard ${shard} is none of this gateway, and its broker leads to no other`;
    return refuse(state, new CommandRefusedError('unowned', message));
  }
  // To pass it on would bring it back here, for as long as the event is consumed.
  if (isDirect && fenced.has(shard)) return { state, way: { kind: 'hand-back' } };
  const count = state.open.get(shard) ?? 0;
  if (count >= COMMANDS_MAX - state.total) {
    const message = `${count} commands wait for shard ${shard} already; try again later`;
    return refuse(state, new CommandRefusedError('full', message));
  }
  return { state: changeCount(state, shard, 1), way: { kind: isOwn ? 'shard' : 'forward' } };
}

/** A command that was admitted has its fate. */
export function settleCommand(state: CommandsState, shard: number): CommandsState {
  return changeCount(state, shard, -1);
}

function refuse(state: CommandsState, error: CommandRefusedError): CommandsStep {
  return { state, way: { kind: 'refuse', error } };
}

function changeCount(state: CommandsState, shard: number, change: 1 | -1): CommandsState {
  const open = new Map(state.open);
  const count = (open.get(shard) ?? 0) + change;
  if (count === 0) open.delete(shard);
  else open.set(shard, count);
  return { open, total: state.total + change };
}
