/** The machine of a shard, with the sessions and ends that its tests go through. */
import { startShard, stepShard } from '../../actors/shard/machine.ts';
import type { ShardEffect, ShardInput, ShardState } from '../../actors/shard/state.ts';
import type { BrokerState } from '../../protocols/broker.ts';
import type { ConnectionEnd, ConnectionReport } from '../../protocols/gateway/messages.ts';

export const SESSION = { sessionId: 'stored', resumeUrl: 'wss://resume.test' };
export const FRESH = { sessionId: 'fresh', resumeUrl: 'wss://other.test' };
export const UNREACHABLE: ConnectionEnd = { kind: 'unreachable', detail: 'refused' };

export const closed = (code: number): ConnectionEnd => ({ kind: 'closed', code, detail: 'why' });

export class ShardMachineBench {
  state: ShardState;
  random = 0.5;
  effects: readonly ShardEffect[];

  constructor(session: ShardState['session'] = undefined, broker: BrokerState = 'open') {
    const step = startShard(session, broker);
    this.state = step.state;
    this.effects = step.effects;
  }

  /** The effects of this one message. */
  tell(input: ShardInput): readonly ShardEffect[] {
    const step = stepShard(this.state, input, this.random);
    this.state = step.state;
    this.effects = step.effects;
    return step.effects;
  }

  report(report: ConnectionReport): readonly ShardEffect[] {
    return this.tell({ type: 'report', generation: this.state.generation, report });
  }

  greeted(): readonly ShardEffect[] {
    return this.report({ kind: 'greeted' });
  }

  /** @param done how far all of the session is done by then */
  ended(end: ConnectionEnd, done = 0): readonly ShardEffect[] {
    return this.tell({ type: 'ended', generation: this.state.generation, end, done });
  }

  /** The connection ends, the wait is over, and the shard does the next thing. */
  next(end: ConnectionEnd): readonly ShardEffect[] {
    this.ended(end);
    return this.tell({ type: 'retry' });
  }

  /** From the governor's line to READY. */
  start(): this {
    this.tell({ type: 'prepare' });
    this.greeted();
    this.tell({ type: 'permitted' });
    this.report({ kind: 'identified' });
    this.report({ kind: 'ready', ...FRESH });
    return this;
  }
}

/** Asked to resume, and not answered yet. */
export function resuming(): ShardMachineBench {
  const bench = new ShardMachineBench(SESSION);
  bench.greeted();
  return bench;
}

export function resumed(): ShardMachineBench {
  const bench = resuming();
  bench.report({ kind: 'resumed' });
  return bench;
}

/** The connect effect of these, without its generation. */
export function host(effects: readonly ShardEffect[]): 'main' | 'session' | undefined {
  for (const effect of effects) if (effect.type === 'connect') return effect.host;
  return undefined;
}

export const notices = (effects: readonly ShardEffect[]): unknown[] =>
  effects.flatMap((effect) => (effect.type === 'notice' ? [effect.notice] : []));

export const isSessionLost = (effects: readonly ShardEffect[]): boolean =>
  effects.some((effect) => effect.type === 'forget');

export const waitOf = (effects: readonly ShardEffect[]): number => {
  for (const effect of effects) {
    if (effect.type === 'arm' && effect.timer === 'retry') return effect.delayMs;
  }
  throw new Error('there is no wait');
};

export const REQUEST: ShardEffect = { type: 'governor', word: 'request' };
export const RELEASE: ShardEffect = { type: 'governor', word: 'release' };
export const PREPARED: ShardEffect = { type: 'governor', word: 'prepared' };
