/**
 * Strikes the faults of a scenario: one function a fault, each on the connections or sessions it
 * names.
 *
 * What a fault breaks for a time is mended by a timer; `stop` cancels those that are left. A fault
 * that finds nobody to strike is recorded all the same, with zero struck.
 */
import { GatewayCloseCodes, GatewayIntentBits } from 'discord-api-types/v10';
import type { Clock, Random, Timer } from '../../../protocols/ports.ts';
import type { Audit } from '../audit.ts';
import type { Fault, FaultName } from '../scenario.ts';
import type { World } from '../world.ts';
import type { Connection, GatewaySession } from './connection.ts';
import type { Credentials } from './credentials.ts';
import type { SimulatedGateway } from './gateway.ts';

export type FaultPorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly world: World;
  readonly audit: Audit;
  readonly credentials: Credentials;
  readonly gateway: SimulatedGateway;
  /** Makes and publishes that many events of the traffic. */
  readonly burst: (events: number) => void;
};

type FaultOf<Name extends FaultName> = Extract<Fault, { readonly fault: Name }>;

/** Returns how many connections, sessions or hosts it struck. */
type Strikers = { readonly [Name in FaultName]: (fault: FaultOf<Name>) => number };

const GARBAGE_BYTES = 64;
const GARBAGE_JSON = '{"t":"MESSAGE_CREATE","s":1,"op":0,"d":{"content":"torn';
const GUILD_OUTAGE_MS = 5_000;
/** An opcode that the gateway of bots does not have. */
const UNKNOWN_OPCODE = 99;
const UNKNOWN_EVENT = 'SOMETHING_NEW_CREATE';
const FOR_EVER = Number.POSITIVE_INFINITY;

export class FaultInjector {
  readonly #ports: FaultPorts;
  readonly #timers = new Set<Timer>();
  readonly #strikers: Strikers;

  constructor(ports: FaultPorts) {
    this.#ports = ports;
    this.#strikers = {
      ...this.#connectionFaults(),
      ...this.#outgoingFaults(),
      ...this.#sessionFaults(),
      ...this.#worldFaults(),
      ...this.#serverFaults(),
    };
  }

  strike(fault: Fault): void {
    // The table has a striker for each name, which the compiler cannot pair with its fault.
    const striker = this.#strikers[fault.fault] as (fault: Fault) => number;
    const struck = striker(fault);
    const shard = fault.shard ?? null;
    this.#ports.audit.record('fault', { fault: fault.fault, shard, struck });
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #connectionFaults() {
    return {
      drop: (fault: FaultOf<'drop'>) => this.#connections(fault, (connection) => connection.drop()),
      truncate: (fault: FaultOf<'truncate'>) =>
        this.#connections(fault, (connection) => {
          connection.sendText(GARBAGE_JSON, { halved: true });
          connection.drop();
        }),
      'half-open': (fault: FaultOf<'half-open'>) =>
        this.#connections(fault, (connection) => connection.freeze()),
      close: (fault: FaultOf<'close'>) =>
        this.#connections(fault, (connection) => {
          connection.close(fault.code, fault.reason ?? 'Closed by the scenario.');
        }),
      reconnect: (fault: FaultOf<'reconnect'>) => {
        const graceMs = fault.closeAfterMs ?? this.#ports.gateway.options.reconnectGraceMs;
        const code = fault.code ?? GatewayCloseCodes.UnknownError;
        return this.#connections(fault, (connection) => {
          connection.requestReconnect(graceMs, code);
        });
      },
      'heartbeat-request': (fault: FaultOf<'heartbeat-request'>) =>
        this.#connections(fault, (connection) => connection.requestHeartbeat()),
    };
  }

  #outgoingFaults() {
    return {
      slow: (fault: FaultOf<'slow'>) =>
        this.#lasting(fault, (connection, on) => connection.outbox.slow(on ? fault.delayMs : 0)),
      mute: (fault: FaultOf<'mute'>) =>
        this.#lasting(fault, (connection, on) => connection.mute(on)),
      'no-acks': (fault: FaultOf<'no-acks'>) =>
        this.#lasting(fault, (connection, on) => {
          connection.withholdsAcks = on;
        }),
      'key-order': (fault: FaultOf<'key-order'>) =>
        this.#lasting(fault, (connection, on) => {
          connection.reversesKeys = on;
        }),
      split: (fault: FaultOf<'split'>) =>
        this.#connections(fault, (connection) => {
          connection.outbox.split(fault.pieces, fault.messages ?? FOR_EVER);
        }),
      garbage: (fault: FaultOf<'garbage'>) =>
        this.#connections(fault, (connection) => {
          if (fault.kind === 'json') connection.sendText(GARBAGE_JSON);
          else connection.sendRaw(this.#randomBytes());
        }),
      'unknown-opcode': (fault: FaultOf<'unknown-opcode'>) =>
        this.#connections(fault, (connection) => {
          const op = fault.op ?? UNKNOWN_OPCODE;
          connection.sendText(JSON.stringify({ t: null, s: null, op, d: { new: true } }));
        }),
    };
  }

  #sessionFaults() {
    const { gateway } = this.#ports;
    return {
      'session-timeout': (fault: FaultOf<'session-timeout'>) =>
        this.#sessions(fault, (session) => {
          const { connection } = session;
          gateway.endSession(session, 'expired');
          connection?.close(GatewayCloseCodes.SessionTimedOut, 'Session timed out.');
        }),
      expire: (fault: FaultOf<'expire'>) =>
        this.#sessions(fault, (session) => {
          session.connection?.drop();
          gateway.endSession(session, 'expired');
        }),
      invalid: (fault: FaultOf<'invalid'>) =>
        this.#sessions(fault, (session) => {
          const { connection } = session;
          if (connection === undefined) return;
          if (fault.resumable) gateway.suspendSession(session);
          else gateway.endSession(session, 'invalidated');
          connection.sendInvalidSession(fault.resumable);
        }),
      'unknown-event': (fault: FaultOf<'unknown-event'>) =>
        this.#sessions(fault, (session) => {
          session.dispatch(fault.name ?? UNKNOWN_EVENT, '{"new":true}');
        }),
      repeat: (fault: FaultOf<'repeat'>) => this.#sessions(fault, (session) => session.repeat()),
    };
  }

  #worldFaults() {
    const { world } = this.#ports;
    return {
      'huge-guild': (fault: FaultOf<'huge-guild'>) =>
        this.#guilds(fault, (session, guildId) => {
          const guild = world.hugeGuildCreate(guildId, fault.bytes);
          session.dispatch('GUILD_CREATE', JSON.stringify(guild));
        }),
      'guild-outage': (fault: FaultOf<'guild-outage'>) =>
        this.#guilds(fault, (session, guildId) => {
          session.dispatch('GUILD_DELETE', JSON.stringify({ id: guildId, unavailable: true }));
          this.#later(fault.durationMs ?? GUILD_OUTAGE_MS, () => {
            if (!session.hasEnded) session.dispatchGuild(world, guildId);
          });
        }),
      burst: (fault: FaultOf<'burst'>) => {
        this.#ports.burst(fault.events);
        return fault.events;
      },
    };
  }

  #serverFaults() {
    const { gateway, clock } = this.#ports;
    return {
      'kill-main-host': (fault: FaultOf<'kill-main-host'>) => {
        gateway.hosts.set('main', fault.mode ?? 'unavailable', fault.connections);
        return 1;
      },
      'kill-resume-host': (fault: FaultOf<'kill-resume-host'>) => {
        gateway.hosts.set('resume', fault.mode ?? 'unavailable', fault.connections);
        return 1;
      },
      'revive-main-host': () => {
        gateway.hosts.set('main', 'alive');
        return 1;
      },
      'revive-resume-host': () => {
        gateway.hosts.set('resume', 'alive');
        return 1;
      },
      'heartbeat-interval': (fault: FaultOf<'heartbeat-interval'>) => {
        gateway.troubles.heartbeatIntervalMs = fault.intervalMs;
        return 1;
      },
      'late-ready': (fault: FaultOf<'late-ready'>) => {
        gateway.troubles.readyDelayMs = fault.delayMs;
        return 1;
      },
      'stall-resume': (fault: FaultOf<'stall-resume'>) => {
        gateway.troubles.resumesToStall = fault.resumes ?? 1;
        return 1;
      },
      'break-resume': (fault: FaultOf<'break-resume'>) => {
        gateway.troubles.resumesBreakUntilMs = clock.nowMs() + fault.durationMs;
        return 1;
      },
      'max-concurrency': (fault: FaultOf<'max-concurrency'>) => {
        gateway.limits.setMaxConcurrency(fault.value);
        return 1;
      },
      'revoke-token': () => {
        this.#ports.credentials.reset();
        for (const session of gateway.sessions()) gateway.endSession(session, 'invalidated');
        const code = GatewayCloseCodes.AuthenticationFailed;
        return this.#connections({}, (connection) => {
          connection.close(code, 'Authentication failed.');
        });
      },
    };
  }

  #connections(
    fault: { readonly shard?: number | undefined },
    strike: (connection: Connection) => void,
  ): number {
    const connections = this.#ports.gateway.connections(fault.shard);
    for (const connection of connections) strike(connection);
    return connections.length;
  }

  #sessions(
    fault: { readonly shard?: number | undefined },
    strike: (session: GatewaySession) => void,
  ): number {
    const sessions = this.#ports.gateway.sessions(fault.shard);
    for (const session of sessions) strike(session);
    return sessions.length;
  }

  /** One guild of each session that hears of guilds. */
  #guilds(
    fault: { readonly shard?: number | undefined },
    strike: (session: GatewaySession, guildId: string) => void,
  ): number {
    let struck = 0;
    this.#sessions(fault, (session) => {
      const [id, count] = session.shard;
      const guildId = this.#ports.world.guildsOfShard(id, count)[0];
      if (guildId === undefined || !session.has(GatewayIntentBits.Guilds)) return;
      strike(session, guildId);
      struck++;
    });
    return struck;
  }

  /**
   * Switches something on for a time, for as long as the connection lives; zero switches it off.
   */
  #lasting(
    fault: { readonly shard?: number | undefined; readonly durationMs?: number | undefined },
    turn: (connection: Connection, on: boolean) => void,
  ): number {
    const { durationMs } = fault;
    return this.#connections(fault, (connection) => {
      turn(connection, durationMs !== 0);
      if (durationMs !== undefined && durationMs > 0) {
        this.#later(durationMs, () => turn(connection, false));
      }
    });
  }

  #later(delayMs: number, action: () => void): void {
    const timer = this.#ports.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      action();
    });
    this.#timers.add(timer);
  }

  #randomBytes(): Uint8Array {
    const { random } = this.#ports;
    const bytes = Uint8Array.from({ length: GARBAGE_BYTES }, () => Math.floor(random() * 256));
    // The end of a zlib message, so that a client does not wait for more.
    bytes.set([0x00, 0x00, 0xff, 0xff], GARBAGE_BYTES - 4);
    return bytes;
  }
}
