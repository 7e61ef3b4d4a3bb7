/**
 * The simulated Discord gateway: a deterministic core that takes links, time and randomness as
 * ports.
 *
 * A connection judges its own frames and heartbeats, `starting.ts` who may start or continue a
 * session; this file holds both together and decides who gets which event. Nothing here waits or
 * does I/O, so a run is the same every time its inputs are.
 *
 * What a client does wrong is never thrown at the caller: it ends in the audit log and, where
 * Discord closes, in a close. A throw out of here is a defect of the simulator.
 */
import { GatewayCloseCodes, GatewayOpcodes } from 'discord-api-types/v10';
import { SIMULATOR_CONNECTIONS_MAX } from '../../../protocols/limits.ts';
import type { GatewayHost } from '../audit.ts';
import type { SimulatedEvent } from '../events/event.ts';
import type { ClientFrame } from './client-frames.ts';
import { Connection, type ConnectionOwner, type GatewaySession } from './connection.ts';
import { EventJson, isWanted, shardOfEvent } from './filter.ts';
import { type HandshakeAnswer, type HostMode, Hosts } from './hosts.ts';
import { IdentifyLimits, type SessionStartLimit } from './identify-limits.ts';
import { judgeParameters } from './judge.ts';
import type { ConnectParameters, Link } from './link.ts';
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts';
import type { GatewayAddresses, GatewayPorts } from './ports.ts';
import { Requests } from './requests.ts';
import { Sessions } from './sessions.ts';
import { type SessionEnd, SessionStarter, Troubles } from './starting.ts';

/** What the server closes with when a client stays after op 7; the session lives on. */
const RECONNECT_CLOSE_CODE = 4000;

/** What REST tells of the gateway. */
export type GatewayFacts = {
  readonly url: string;
  readonly shards: number;
  readonly sessionStartLimit: SessionStartLimit;
};

/** What became of a handshake; an accepted one is handed to `accept`. */
export type Handshake = {
  readonly host: GatewayHost;
  readonly answer: HandshakeAnswer;
  readonly mode: HostMode;
};

export class SimulatedGateway {
  readonly options: GatewayOptions;
  readonly hosts = new Hosts();
  readonly limits: IdentifyLimits;
  readonly troubles: Troubles;
  readonly #ports: GatewayPorts;
  readonly #requests: Requests;
  readonly #sessions = new Sessions();
  readonly #connections = new Map<number, Connection>();
  readonly #starter: SessionStarter;
  readonly #owner: ConnectionOwner;
  #addresses: GatewayAddresses;
  #connectionCount = 0;

  constructor(
    ports: GatewayPorts,
    addresses: GatewayAddresses,
    options: Partial<GatewayOptions> = {},
  ) {
    this.options = { ...GATEWAY_DEFAULTS, ...options };
    this.#ports = ports;
    this.#addresses = addresses;
    this.troubles = new Troubles(this.options);
    this.limits = new IdentifyLimits(ports.clock, this.options);
    const publish = (event: SimulatedEvent): void => this.publish(event);
    this.#requests = new Requests({ ...ports, publish });
    this.#starter = new SessionStarter({
      ports,
      options: this.options,
      limits: this.limits,
      troubles: this.troubles,
      sessions: this.#sessions,
      connections: () => this.connections(),
      resumeUrl: () => this.#addresses.resume,
      endSession: (session, why) => this.endSession(session, why),
    });
    this.#owner = {
      clock: ports.clock,
      audit: ports.audit,
      options: this.options,
      handle: (connection, frame) => this.#handle(connection, frame),
      ended: (connection, by, code) => this.#ended(connection, by, code),
    };
  }

  get addresses(): GatewayAddresses {
    return this.#addresses;
  }

  /** Set when the server knows its ports. */
  setAddresses(addresses: GatewayAddresses): void {
    this.#addresses = addresses;
  }

  facts(): GatewayFacts {
    const guilds = this.#ports.world.guildIds.length;
    const { guildsPerShard, recommendedShards, shardMultiple } = this.options;
    const needed = recommendedShards ?? Math.max(1, Math.ceil(guilds / guildsPerShard));
    return {
      url: this.#addresses.main,
      shards: Math.ceil(needed / shardMultiple) * shardMultiple,
      sessionStartLimit: this.limits.facts(),
    };
  }

  /** Asked before the WebSocket handshake is answered. */
  handshake(host: GatewayHost): Handshake {
    const isFull = this.#connections.size >= SIMULATOR_CONNECTIONS_MAX;
    const mode = isFull ? 'unavailable' : this.hosts.take(host);
    const answer = mode === 'unavailable' || mode === 'refuse' || mode === 'hang' ? mode : 'accept';
    if (answer !== 'accept') this.#ports.audit.record('handshake-refused', { host, how: answer });
    return { host, answer, mode };
  }

  /** Takes over a link whose handshake was accepted. */
  accept(link: Link, handshake: Handshake, parameters: ConnectParameters): Connection {
    const { host, mode } = handshake;
    const id = ++this.#connectionCount;
    const connection = new Connection(id, this.#owner, link, host, parameters);
    this.#connections.set(id, connection);
    this.#ports.audit.record('connect', { connection: id, host, ...parameters });
    const refusal = judgeParameters(parameters);
    if (refusal !== undefined) connection.refuse(refusal);
    else if (mode === 'reconnect') {
      connection.requestReconnect(this.options.reconnectGraceMs, RECONNECT_CLOSE_CODE);
    } else if (mode !== 'silent') {
      connection.greet(this.troubles.heartbeatIntervalMs);
      if (mode === 'drop') connection.drop();
    }
    return connection;
  }

  /** Shows an event to every session that it is for. */
  publish(event: SimulatedEvent): void {
    const botId = this.#ports.world.bot.id;
    const json = new EventJson(event, botId);
    this.#sessions.route(
      (count) => shardOfEvent(event, count),
      (session) => {
        if (isWanted(session, event, botId)) session.dispatch(event.t, json.for(session));
      },
    );
  }

  /** The live connections, of one shard id or of all. */
  connections(shard?: number): readonly Connection[] {
    const all = [...this.#connections.values()];
    if (shard === undefined) return all;
    return all.filter((connection) => connection.session?.shard[0] === shard);
  }

  /** The sessions that exist, with or without a connection. */
  sessions(shard?: number): readonly GatewaySession[] {
    const all = this.#sessions.all();
    return shard === undefined ? all : all.filter((session) => session.shard[0] === shard);
  }

  /** Takes a session from its connection, as op 9 does, and lets it wait to be resumed. */
  suspendSession(session: GatewaySession): void {
    const { connection } = session;
    connection?.detach();
    if (connection !== undefined) connection.invalidated = true;
    session.detach(() => this.endSession(session, 'expired'));
  }

  /** Forgets a session. Its connection stays, without one. */
  endSession(session: GatewaySession, why: SessionEnd): void {
    const { connection } = session;
    if (connection?.session === session && connection.phase !== 'ended') {
      connection.detach();
      connection.invalidated = true;
    }
    session.end();
    this.#sessions.delete(session);
    const { id, shard, sequence } = session;
    this.#ports.audit.record('session-end', { session: id, shard, why, sequence });
    this.#requests.ended(session);
  }

  /** Ends every connection and every timer. Sessions go too. */
  stop(): void {
    for (const connection of this.connections()) connection.drop();
    for (const session of this.#sessions.all()) {
      session.end();
      this.#sessions.delete(session);
    }
  }

  #handle(connection: Connection, frame: ClientFrame): void {
    switch (frame.op) {
      case GatewayOpcodes.Heartbeat:
        break;
      case GatewayOpcodes.Identify:
        if (this.#isFirstStart(connection)) this.#starter.identify(connection, frame.d);
        break;
      case GatewayOpcodes.Resume:
        if (this.#isFirstStart(connection)) this.#starter.resume(connection, frame.d);
        break;
      default:
        this.#command(connection, frame);
    }
  }

  #isFirstStart(connection: Connection): boolean {
    if (connection.session === undefined && connection.phase !== 'starting') return true;
    connection.refuse({
      code: GatewayCloseCodes.AlreadyAuthenticated,
      reason: 'Already authenticated.',
      breach: 'already-authenticated',
      detail: 'a second IDENTIFY or RESUME on one connection',
    });
    return false;
  }

  #command(connection: Connection, frame: ClientFrame): void {
    const { session } = connection;
    if (session === undefined || connection.stalled) {
      this.#refuseCommand(connection, frame.op);
      return;
    }
    const { op, d: data } = frame;
    this.#ports.audit.record('command', { connection: connection.id, op, data });
    this.#requests.answer(connection, session, frame);
  }

  /** A command may have been under way when the session was taken away: that is no breach. */
  #refuseCommand(connection: Connection, op: number): void {
    const code = GatewayCloseCodes.NotAuthenticated;
    const reason = 'Not authenticated.';
    if (connection.invalidated) connection.close(code, reason);
    else {
      const detail = `op ${op} before READY or RESUMED`;
      connection.refuse({ code, reason, breach: 'not-authenticated', detail });
    }
  }

  #ended(connection: Connection, by: 'client' | 'server' | 'network', code: number): void {
    this.#connections.delete(connection.id);
    this.#starter.forget(connection);
    const { session } = connection;
    const shard = session?.shard ?? null;
    const record = { connection: connection.id, by, code, shard, session: session?.id ?? null };
    this.#ports.audit.record('close', record);
    if (session?.connection !== connection) return;
    const kills = by === 'client' && (code === 1000 || code === 1001);
    if (kills) this.endSession(session, 'closed-by-client');
    else session.detach(() => this.endSession(session, 'expired'));
  }
}
