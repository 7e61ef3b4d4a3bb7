/**
 * The simulated Discord gateway: a deterministic core that takes links, time and randomness as ports.
 *
 * A connection judges its own frames and heartbeats; this file decides about sessions: who may start
 * one, who may continue one, who gets which event. Nothing here waits or does I/O, so a run is the same
 * every time its inputs are.
 *
 * What a client does wrong is never thrown at the caller: it ends in the audit log and, where Discord
 * closes, in a close. A throw out of here is a defect of the simulator.
 */
import { GatewayCloseCodes, GatewayOpcodes } from 'discord-api-types/v10';
import { SIMULATOR_CONNECTIONS_MAX } from '../../../protocols/limits.ts';
import type { Clock, Random, Timer } from '../../../protocols/ports.ts';
import type { Audit, AuditRecords, GatewayHost, ShardPair } from '../audit.ts';
import type { SimulatedEvent } from '../events/event.ts';
import type { World } from '../world.ts';
import type { ClientFrame, IdentifyData, ResumeData } from './client-frames.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import type { Credentials } from './credentials.ts';
import { EventJson, isWanted, shardOfEvent } from './filter.ts';
import { type HandshakeAnswer, type HostMode, Hosts } from './hosts.ts';
import { IdentifyLimits, type SessionStartLimit } from './identify-limits.ts';
import {
  AUTHENTICATION_FAILED,
  judgeIdentify,
  judgeParameters,
  judgeResume,
  sameParameters,
  shardOf,
} from './judge.ts';
import type { ConnectParameters, Link } from './link.ts';
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts';
import { randomHex } from './random-hex.ts';
import { Requests } from './requests.ts';
import { Session } from './session.ts';
import { Sessions } from './sessions.ts';

const SESSION_ID_LENGTH = 32;
/** What the server closes with when a client stays after op 7; the session lives on. */
const RECONNECT_CLOSE_CODE = 4000;

export type GatewayPorts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly world: World;
  readonly audit: Audit;
  readonly credentials: Credentials;
};

/** Where clients find the gateway; READY names the second. */
export type GatewayAddresses = { readonly main: string; readonly resume: string };

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

type SessionEnd = AuditRecords['session-end']['why'];

export class SimulatedGateway {
  readonly options: GatewayOptions;
  readonly hosts = new Hosts();
  readonly limits: IdentifyLimits;
  /** What HELLO says from now on. */
  heartbeatIntervalMs: number;
  /** READY comes this late, as in an outage. */
  readyDelayMs = 0;
  /** The next RESUMEs never see RESUMED; counts down. */
  resumesToStall = 0;
  /** Until then every RESUME ends in a lost connection: a session that is broken on the server. */
  resumesBreakUntilMs = 0;
  readonly #ports: GatewayPorts;
  readonly #requests: Requests;
  readonly #sessions = new Sessions();
  readonly #connections = new Map<number, Connection>();
  readonly #pendingReady = new Map<Connection, Timer>();
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
    this.heartbeatIntervalMs = this.options.heartbeatIntervalMs;
    this.limits = new IdentifyLimits(ports.clock, this.options);
    const publish = (event: SimulatedEvent): void => this.publish(event);
    this.#requests = new Requests({ ...ports, publish });
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
      connection.greet(this.heartbeatIntervalMs);
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
  sessions(shard?: number): readonly Session[] {
    const all = this.#sessions.all();
    return shard === undefined ? all : all.filter((session) => session.shard[0] === shard);
  }

  /** Takes a session from its connection, as op 9 does, and lets it wait to be resumed. */
  suspendSession(session: Session): void {
    const { connection } = session;
    connection?.detach();
    if (connection !== undefined) connection.invalidated = true;
    session.detach(() => this.endSession(session, 'expired'));
  }

  /** Forgets a session. Its connection stays, without one. */
  endSession(session: Session, why: SessionEnd): void {
    const { connection } = session;
    if (connection?.session === session && connection.phase !== 'ended') {
      connection.detach();
      connection.invalidated = true;
    }
    session.end();
    this.#sessions.delete(session);
    const { id, shard } = session;
    this.#ports.audit.record('session-end', { session: id, shard, why });
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
        if (this.#isFirstStart(connection)) this.#identify(connection, frame.d);
        break;
      case GatewayOpcodes.Resume:
        if (this.#isFirstStart(connection)) this.#resume(connection, frame.d);
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

  #identify(connection: Connection, data: IdentifyData): void {
    const tokenIsValid = this.#ports.credentials.accepts(data.token);
    if (tokenIsValid && !this.limits.spend()) {
      this.#recordIdentify(connection, data, false);
      this.#bankrupt(connection);
      return;
    }
    const { world } = this.#ports;
    const guildCount = ([id, count]: ShardPair): number => world.guildsOfShard(id, count).length;
    const refusal = judgeIdentify(data, { tokenIsValid, guildCount, options: this.options });
    const accepted = refusal === undefined && this.limits.admit(shardOf(data)[0]);
    this.#recordIdentify(connection, data, accepted);
    this.#judgeIdentifyPlace(connection);
    if (refusal !== undefined) connection.refuse(refusal);
    else if (!accepted) {
      const key = this.limits.key(shardOf(data)[0]);
      connection.breach('identify-concurrency', `a second IDENTIFY of key ${key} within 5 s`);
      connection.sendInvalidSession(false);
    } else this.#start(connection, data);
  }

  #recordIdentify(connection: Connection, data: IdentifyData, accepted: boolean): void {
    const shard = shardOf(data);
    const key = this.limits.key(shard[0]);
    const intents = data.intents ?? 0;
    const record = { connection: connection.id, shard, key, intents, accepted };
    this.#ports.audit.record('identify', record);
  }

  /** Discord asks for a new connection, on the URL of /gateway, before a new session is started. */
  #judgeIdentifyPlace(connection: Connection): void {
    if (connection.host === 'resume') {
      connection.breach('identify-on-resume-url', 'IDENTIFY on the URL that is for resuming');
    }
    if (connection.invalidated) {
      const detail = 'IDENTIFY on a connection whose session was invalidated';
      connection.breach('identify-after-invalid-session', detail);
    }
  }

  /** Too many IDENTIFYs in a day: every session ends and the token is reset. */
  #bankrupt(connection: Connection): void {
    connection.breach('identify-budget', 'IDENTIFY with nothing left of the daily budget');
    this.#ports.credentials.reset();
    for (const session of this.#sessions.all()) this.endSession(session, 'budget');
    connection.close(AUTHENTICATION_FAILED.code, AUTHENTICATION_FAILED.reason);
    for (const other of this.connections()) {
      other.close(GatewayCloseCodes.NotAuthenticated, 'Session no longer valid.');
    }
  }

  #start(connection: Connection, data: IdentifyData): void {
    connection.phase = 'starting';
    if (this.readyDelayMs === 0) {
      this.#ready(connection, data);
      return;
    }
    const timer = this.#ports.clock.setTimer(this.readyDelayMs, () => {
      this.#pendingReady.delete(connection);
      this.#ready(connection, data);
    });
    this.#pendingReady.set(connection, timer);
  }

  #ready(connection: Connection, data: IdentifyData): void {
    const { audit, clock, random, world } = this.#ports;
    const crowded = this.#sessions.overflow();
    if (crowded !== undefined) this.endSession(crowded, 'evicted');
    const settings = {
      id: randomHex(random, SESSION_ID_LENGTH),
      token: data.token,
      shard: shardOf(data),
      intents: data.intents ?? 0,
      largeThreshold: data.large_threshold,
      deflates: data.compress === true && connection.parameters.compress === null,
      parameters: connection.parameters,
    };
    const session = new Session(settings, clock, this.options);
    this.#sessions.add(session);
    audit.record('session-start', { session: session.id, shard: session.shard });
    this.#join(connection, session, false);
    const [id, count] = session.shard;
    const ready = world.readyPayload(id, count, session.id, this.#addresses.resume);
    const { shard, ...unsharded } = ready;
    const payload = data.shard === undefined ? unsharded : { ...unsharded, shard };
    session.dispatch('READY', JSON.stringify(payload));
    const guildIds = ready.guilds.map((guild) => guild.id);
    session.streamGuilds(world, guildIds);
  }

  #resume(connection: Connection, data: ResumeData): void {
    connection.noteResumeTried();
    if (!this.#ports.credentials.accepts(data.token)) {
      this.#recordResume(connection, data, 'refused', 0);
      connection.refuse(AUTHENTICATION_FAILED);
      return;
    }
    if (this.#ports.clock.nowMs() < this.resumesBreakUntilMs) {
      this.#recordResume(connection, data, 'unanswered', 0);
      connection.drop();
      return;
    }
    const session = this.#sessions.get(data.session_id);
    if (
      session !== undefined &&
      !sameParameters(connection.parameters, session.settings.parameters)
    ) {
      connection.breach(
        'resume-parameters',
        'the URL parameters differ from those of the IDENTIFY',
      );
    }
    const refusal = session === undefined ? undefined : judgeResume(data, session);
    if (refusal !== undefined) {
      this.#recordResume(connection, data, 'refused', 0);
      connection.refuse(refusal);
      return;
    }
    const missed = session?.missed(data.seq);
    if (session === undefined || missed === undefined) {
      this.#recordResume(connection, data, 'invalid-session', 0);
      connection.invalidated = true;
      connection.sendInvalidSession(false);
      return;
    }
    this.#continue(connection, session, data, missed);
  }

  #continue(
    connection: Connection,
    session: Session,
    data: ResumeData,
    missed: Parameters<Session['replay']>[0],
  ): void {
    this.#join(connection, session, true);
    session.replay(missed);
    if (this.resumesToStall > 0) {
      this.resumesToStall--;
      connection.stalled = true;
      this.#recordResume(connection, data, 'unanswered', missed.length);
      return;
    }
    this.#recordResume(connection, data, 'resumed', missed.length);
    session.dispatch('RESUMED', '{}');
  }

  #recordResume(
    connection: Connection,
    data: ResumeData,
    outcome: AuditRecords['resume']['outcome'],
    replayed: number,
  ): void {
    this.#ports.audit.record('resume', {
      connection: connection.id,
      host: connection.host,
      session: data.session_id,
      sequence: data.seq,
      outcome,
      replayed,
    });
  }

  /** A session has one connection: an older one that the client has not closed is closed now. */
  #join(connection: Connection, session: Session, resumed: boolean): void {
    const older = session.connection;
    session.attach(connection);
    connection.attach(session, resumed);
    older?.close(GatewayCloseCodes.UnknownError, 'Session resumed on another connection.');
  }

  #ended(connection: Connection, by: 'client' | 'server' | 'network', code: number): void {
    this.#connections.delete(connection.id);
    this.#pendingReady.get(connection)?.cancel();
    this.#pendingReady.delete(connection);
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
