/**
 * One process of a gateway in a schedule: its sessions, its tree of actors, and a way to die.
 *
 * A process that is killed ends between two instants: its timers never fire, its sockets are cut,
 * answers do not reach it, and events that had not arrived at the broker are gone. What it had
 * begun to do in the stores is done.
 */
import type { Socket, SocketEvents, SocketFactory } from '../../actors/connection/ports.ts';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { SessionsNotice } from '../../actors/sessions/actor.ts';
import type { SessionArchive } from '../../actors/sessions/ports.ts';
import type { Broker } from '../../protocols/broker.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import { createRandom } from '../../src/random.ts';
import type { SimulatedDiscord } from '../../src/simulator/discord.ts';
import type { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { type SessionsTree, startSessionsTree } from '../../supervisors/sessions.ts';
import { startSimulation, wordOf } from './gateway-simulation.ts';
import { RecordingLog } from './recording-log.ts';
import type { SchedulePlan } from './schedule-plan.ts';
import type { ScheduleStores } from './schedule-stores.ts';

/** A clock whose timers end with the process; from its burial on, every wait is over at once. */
class MortalClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Timer>();
  #isDead = false;
  #isBuried = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  epochMs(): number {
    return this.#clock.epochMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (this.#isBuried) {
      const immediate = setImmediate(callback);
      return { cancel: () => clearImmediate(immediate) };
    }
    if (this.#isDead) return { cancel: () => undefined };
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }

  kill(): void {
    this.#isDead = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  bury(): void {
    this.#isBuried = true;
  }
}

/** What a dead process opens. */
const NO_SOCKET: Socket = {
  send: () => undefined,
  close: () => undefined,
  terminate: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
};

/** Frames that say which shard a socket is of. */
const SPEAKS_OF_SESSION = /^\{"op":(2|6),/;

/** What is asked of a socket's frames. */
type Identification = {
  readonly op: 2 | 6;
  readonly d: { readonly shard?: readonly [number, number]; readonly session_id?: string };
};

/**
 * The sockets of one process: counts them, by shard as soon as they say which, and can cut them
 * all.
 */
class WatchedSockets implements SocketFactory {
  readonly problems: string[] = [];
  readonly #sockets: SocketFactory;
  readonly #most: number;
  readonly #shardOf: (sessionId: string) => number | undefined;
  /** The open ones; the shard of each, once it is known. */
  readonly #open = new Map<Socket, number | undefined>();
  #isDead = false;

  constructor(
    sockets: SocketFactory,
    most: number,
    shardOf: (sessionId: string) => number | undefined,
  ) {
    this.#sockets = sockets;
    this.#most = most;
    this.#shardOf = shardOf;
  }

  open(url: string, events: SocketEvents): Socket {
    if (this.#isDead) return NO_SOCKET;
    const over = (): void => {
      this.#open.delete(socket);
    };
    const alive =
      <Args extends readonly unknown[]>(heard: (...args: Args) => void) =>
      (...args: Args): void => {
        if (!this.#isDead) heard(...args);
      };
    const socket = this.#sockets.open(url, {
      open: alive(() => events.open()),
      message: alive((data) => events.message(data)),
      close: alive((code, reason) => {
        over();
        events.close(code, reason);
      }),
      failed: alive((reason) => {
        over();
        events.failed(reason);
      }),
    });
    this.#open.set(socket, undefined);
    if (this.#open.size > this.#most) this.problems.push(`${this.#open.size} sockets are open`);
    return {
      send: (text, written) => {
        if (SPEAKS_OF_SESSION.test(text)) this.#identified(socket, JSON.parse(text));
        socket.send(text, written);
      },
      close: (code, reason) => socket.close(code, reason),
      terminate: () => {
        over();
        socket.terminate();
      },
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
  }

  kill(): void {
    this.#isDead = true;
    for (const socket of this.#open.keys()) socket.terminate();
    this.#open.clear();
  }

  #identified(socket: Socket, { d }: Identification): void {
    const shard = d.shard?.[0] ?? this.#shardOf(d.session_id ?? '');
    const others = [...this.#open.entries()].filter(([other]) => other !== socket);
    if (others.some(([, other]) => other === shard)) {
      this.problems.push(`two sockets of shard ${shard}`);
    }
    this.#open.set(socket, shard);
  }
}

/** What all processes of a schedule share. */
export type ScheduleWorld = {
  readonly plan: SchedulePlan;
  readonly clock: VirtualClock;
  readonly discord: SimulatedDiscord;
  readonly stores: ScheduleStores;
  readonly isApiAway: () => boolean;
  readonly shardOfSession: (sessionId: string) => number | undefined;
  readonly others: (clock: Clock) => Pick<Broker, 'publish' | 'call'>;
};

export type Gateway = ReturnType<typeof startSimulation>;

/**
 * An event of that session after `sequence` may never have been seen, and consumers have been told
 * so.
 */
export type Gap = { readonly session: string; readonly sequence: number };

export class GatewayProcess {
  readonly number: number;
  readonly owned: readonly number[];
  readonly system: ActorSystem;
  readonly log = new RecordingLog();
  readonly sessionNotices: SessionsNotice[] = [];
  /** The sessions that it was given by the archive. */
  readonly stored = new Set<string>();
  /** When Discord has told it of the session starts. */
  readonly heardAtMs: number[] = [];
  state: 'starting' | 'running' | 'stopping' | 'stopped' | 'killed' = 'starting';
  gateway: Gateway | undefined;
  sockets: WatchedSockets | undefined;
  readonly #world: ScheduleWorld;
  readonly #clock: MortalClock;
  readonly #abort = new AbortController();
  readonly #failures: unknown[] = [];
  readonly #starting: Promise<void>;
  #sessions: SessionsTree | undefined;

  constructor(world: ScheduleWorld, number: number, owned: readonly number[]) {
    this.#world = world;
    this.number = number;
    this.owned = owned;
    this.#clock = new MortalClock(world.clock);
    this.system = createActorSystem({
      name: `process-${number}`,
      clock: this.#clock,
      random: createRandom(world.plan.seed ^ (number * 0x9e3779b1)),
      log: this.log,
    });
    this.#starting = this.#start().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#failures.push(error);
    });
  }

  get isUp(): boolean {
    return this.state === 'starting' || this.state === 'running';
  }

  get isWell(): boolean {
    return this.state === 'running' && this.gateway?.ready.size === this.owned.length;
  }

  get failures(): readonly unknown[] {
    return [...this.#failures, ...(this.gateway?.failures ?? [])];
  }

  /** What consumers of this process were told of sessions that are not continued. */
  get gaps(): readonly Gap[] {
    const gaps: Gap[] = [];
    for (const { notice } of this.gateway?.notices ?? []) {
      if (notice.kind !== 'session-lost') continue;
      gaps.push({ session: notice.sessionId, sequence: notice.sequence });
    }
    for (const notice of this.sessionNotices) {
      if (notice.kind !== 'lost') continue;
      for (const { record } of notice.sessions) {
        gaps.push({ session: record.sessionId, sequence: record.sequence });
      }
    }
    return gaps;
  }

  async stop(): Promise<void> {
    if (this.state === 'starting') this.#abort.abort(new Error('the process is stopped'));
    this.state = 'stopping';
    await this.#starting;
    await this.gateway?.tree.stop();
    await this.#sessions?.stop();
    await this.system.stop();
    this.state = 'stopped';
  }

  kill(): void {
    this.state = 'killed';
    this.#clock.kill();
    this.sockets?.kill();
    this.gateway?.writer.kill();
  }

  /**
   * Frees what a killed process holds: an actor system that was not stopped is kept by nact for
   * good.
   */
  async bury(): Promise<void> {
    this.#clock.bury();
    await this.system.stop();
  }

  #archive(): SessionArchive {
    const archive = this.#world.stores.archive(`process-${this.number}`, this.#clock);
    return {
      ...archive,
      claim: async (request) => {
        const answer = await archive.claim(request);
        for (const { record } of answer.claims)
          if (record !== undefined) this.stored.add(record.sessionId);
        return answer;
      },
    };
  }

  async #start(): Promise<void> {
    const { plan, stores, discord, clock } = this.#world;
    this.#sessions = await startSessionsTree({
      system: this.system,
      clock: this.#clock,
      archive: this.#archive(),
      shards: this.owned,
      signal: this.#abort.signal,
      onNotice: (notice) => this.sessionNotices.push(notice),
      onFailure: (error) => this.#failures.push(error),
    });
    if (this.state !== 'starting') return;
    this.state = 'running';
    this.heardAtMs.push(clock.nowMs());
    this.gateway = startSimulation({
      seed: plan.seed + this.number,
      shards: plan.shards,
      owned: this.owned,
      compression: plan.compression,
      refusal: plan.refusal,
      loss: plan.loss,
      sessions: this.#sessions.store,
      beside: { clock, discord },
      process: { clock: this.#clock, system: this.system },
      ledger: () => stores.ledger(`process-${this.number}`, this.#clock),
      askDiscord: async () => {
        if (this.#world.isApiAway()) throw new Error('GET /gateway/bot is not answered');
        this.heardAtMs.push(clock.nowMs());
        return wordOf(discord);
      },
      others: this.#world.others(this.#clock),
      watchSockets: (sockets) => {
        this.sockets = new WatchedSockets(sockets, this.owned.length, this.#world.shardOfSession);
        return this.sockets;
      },
    });
  }
}
