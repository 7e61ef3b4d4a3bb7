/**
 * Drives the connection machine on a clock of its own, as its actor would, and keeps what it does.
 */
import { openConnection, stepConnection } from '../../actors/connection/machine.ts';
import type { ConnectionEffect, ConnectionState } from '../../actors/connection/state.ts';
import type { ControlFrame } from '../../protocols/gateway/frames.ts';
import type { ConnectionMessage, SessionRecord } from '../../protocols/gateway/messages.ts';

export const SESSION: SessionRecord = {
  sessionId: 'session',
  sequence: 7,
  resumeUrl: 'wss://resume.test',
  shardCount: 1,
  savedAtEpochMs: 0,
};

export type Deed = { readonly atMs: number; readonly effect: ConnectionEffect };

export class ConnectionBench {
  readonly deeds: Deed[] = [];
  readonly timers = new Map<string, number>();
  state: ConnectionState;
  nowMs = 0;
  random = 0.5;
  #frames = 0;
  #dispatches = 0;

  constructor() {
    const step = openConnection();
    this.state = step.state;
    this.#run(step.effects);
  }

  /** Everything that it did since the last time this was asked. */
  taken(): ConnectionEffect[] {
    return this.deeds.splice(0).map(({ effect }) => effect);
  }

  /** What it did to the peer or said to the shard: timers left out. */
  visible(): ConnectionEffect[] {
    return this.taken().filter(({ type }) => type !== 'arm' && type !== 'disarm');
  }

  tell(message: ConnectionMessage): void {
    const { nowMs, random } = this;
    const facts = { nowMs, random, frames: this.#frames, dispatches: this.#dispatches };
    const step = stepConnection(this.state, message, facts);
    this.state = step.state;
    this.#run(step.effects);
  }

  frame(frame: ControlFrame): void {
    this.#frames++;
    if (frame.kind === 'ready' || frame.kind === 'resumed') this.#dispatches++;
    this.tell({ type: 'frame', frame });
  }

  /** A dispatch that the data plane takes, of which the machine hears nothing. */
  event(): void {
    this.#frames++;
    this.#dispatches++;
  }

  /** Lets time pass; `meanwhile` is called at each timer, before it fires. */
  pass(ms: number, meanwhile: () => void = () => {}): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.timers].sort(([, left], [, right]) => left - right);
      if (next === undefined || next[1] > untilMs) break;
      const [timer, dueMs] = next;
      this.nowMs = dueMs;
      meanwhile();
      if (this.timers.get(timer) !== dueMs) continue;
      this.timers.delete(timer);
      this.tell({ type: timer as 'heartbeat-due' | 'deadline' | 'hold-overdue' });
    }
    this.nowMs = untilMs;
  }

  greet(heartbeatIntervalMs = 40_000): this {
    this.tell({ type: 'opened' });
    this.frame({ kind: 'hello', heartbeatIntervalMs });
    return this;
  }

  identify(): this {
    this.tell({ type: 'identify' });
    return this;
  }

  resume(): this {
    this.tell({ type: 'resume', session: SESSION });
    return this;
  }

  ready(): this {
    this.frame({ kind: 'ready', sessionId: 'session', resumeUrl: 'wss://resume.test' });
    return this;
  }

  #run(effects: readonly ConnectionEffect[]): void {
    for (const effect of effects) {
      this.deeds.push({ atMs: this.nowMs, effect });
      if (effect.type === 'arm') this.timers.set(effect.timer, this.nowMs + effect.delayMs);
      if (effect.type === 'disarm') this.timers.delete(effect.timer);
    }
  }
}
