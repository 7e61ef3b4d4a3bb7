/**
 * How sessions start and continue: IDENTIFY with its limits, READY, RESUME with its replay.
 *
 * The rules themselves are in `judge.ts`; here is what follows from them. Nothing is thrown: a
 * client that is refused is closed or answered with op 9, and stands in the audit log.
 */
import { GatewayCloseCodes } from 'discord-api-types/v10';
import type { Timer } from '../../../protocols/ports.ts';
import type { AuditRecords, ShardPair } from '../audit.ts';
import type { IdentifyData, ResumeData } from './client-frames.ts';
import type { Connection, GatewaySession } from './connection.ts';
import type { IdentifyLimits } from './identify-limits.ts';
import {
  AUTHENTICATION_FAILED,
  judgeIdentify,
  judgeResume,
  sameParameters,
  shardOf,
} from './judge.ts';
import type { GatewayOptions } from './options.ts';
import type { GatewayPorts } from './ports.ts';
import { randomHex } from './random-hex.ts';
import type { Dispatch } from './replay-buffer.ts';
import { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

const SESSION_ID_LENGTH = 32;

/** What a scenario may break about starting and resuming. */
export class Troubles {
  /** What HELLO says from now on. */
  heartbeatIntervalMs: number;
  /** READY comes this late, as in an outage. */
  readyDelayMs = 0;
  /** The next RESUMEs never see RESUMED; counts down. */
  resumesToStall = 0;
  /** Until then every RESUME ends in a lost connection: a session that is broken on the server. */
  resumesBreakUntilMs = 0;

  constructor(options: GatewayOptions) {
    this.heartbeatIntervalMs = options.heartbeatIntervalMs;
  }
}

export type SessionEnd = AuditRecords['session-end']['why'];

/** The part of the gateway that starting a session needs. */
export type StarterHost = {
  readonly ports: GatewayPorts;
  readonly options: GatewayOptions;
  readonly limits: IdentifyLimits;
  readonly troubles: Troubles;
  readonly sessions: Sessions;
  readonly connections: () => readonly Connection[];
  readonly resumeUrl: () => string;
  readonly endSession: (session: GatewaySession, why: SessionEnd) => void;
};

export class SessionStarter {
  readonly #host: StarterHost;
  readonly #ports: GatewayPorts;
  /** IDENTIFYs whose READY is late. */
  readonly #pendingReady = new Map<Connection, Timer>();

  constructor(host: StarterHost) {
    this.#host = host;
    this.#ports = host.ports;
  }

  /** A READY that is late does not come to a connection that has ended. */
  forget(connection: Connection): void {
    this.#pendingReady.get(connection)?.cancel();
    this.#pendingReady.delete(connection);
  }

  identify(connection: Connection, data: IdentifyData): void {
    const tokenIsValid = this.#ports.credentials.accepts(data.token);
    if (tokenIsValid && !this.#host.limits.spend()) {
      this.#recordIdentify(connection, data, false);
      this.#bankrupt(connection);
      return;
    }
    const { world } = this.#ports;
    const guildCount = ([id, count]: ShardPair): number => world.guildsOfShard(id, count).length;
    const refusal = judgeIdentify(data, { tokenIsValid, guildCount, options: this.#host.options });
    const accepted = refusal === undefined && this.#host.limits.admit(shardOf(data)[0]);
    this.#recordIdentify(connection, data, accepted);
    this.#judgeIdentifyPlace(connection);
    if (refusal !== undefined) connection.refuse(refusal);
    else if (!accepted) {
      const key = this.#host.limits.key(shardOf(data)[0]);
      connection.breach('identify-concurrency', `a second IDENTIFY of key ${key} within 5 s`);
      connection.sendInvalidSession(false);
    } else this.#start(connection, data);
  }

  #recordIdentify(connection: Connection, data: IdentifyData, accepted: boolean): void {
    const shard = shardOf(data);
    const key = this.#host.limits.key(shard[0]);
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
    for (const session of this.#host.sessions.all()) this.#host.endSession(session, 'budget');
    connection.close(AUTHENTICATION_FAILED.code, AUTHENTICATION_FAILED.reason);
    for (const other of this.#host.connections()) {
      other.close(GatewayCloseCodes.NotAuthenticated, 'Session no longer valid.');
    }
  }

  #start(connection: Connection, data: IdentifyData): void {
    connection.phase = 'starting';
    if (this.#host.troubles.readyDelayMs === 0) {
      this.#ready(connection, data);
      return;
    }
    const timer = this.#ports.clock.setTimer(this.#host.troubles.readyDelayMs, () => {
      this.#pendingReady.delete(connection);
      this.#ready(connection, data);
    });
    this.#pendingReady.set(connection, timer);
  }

  #ready(connection: Connection, data: IdentifyData): void {
    const { audit, clock, random, world } = this.#ports;
    const crowded = this.#host.sessions.overflow();
    if (crowded !== undefined) this.#host.endSession(crowded, 'evicted');
    const settings = {
      id: randomHex(random, SESSION_ID_LENGTH),
      token: data.token,
      shard: shardOf(data),
      intents: data.intents ?? 0,
      largeThreshold: data.large_threshold,
      deflates: data.compress === true && connection.parameters.compress === null,
      parameters: connection.parameters,
    };
    const session: GatewaySession = new Session(settings, clock, this.#host.options);
    this.#host.sessions.add(session);
    audit.record('session-start', { session: session.id, shard: session.shard });
    this.#join(connection, session, false);
    const [id, count] = session.shard;
    const ready = world.readyPayload(id, count, session.id, this.#host.resumeUrl());
    const { shard, ...unsharded } = ready;
    const payload = data.shard === undefined ? unsharded : { ...unsharded, shard };
    session.dispatch('READY', JSON.stringify(payload));
    const guildIds = ready.guilds.map((guild) => guild.id);
    session.streamGuilds(world, guildIds);
  }

  resume(connection: Connection, data: ResumeData): void {
    connection.noteResumeTried();
    if (!this.#ports.credentials.accepts(data.token)) {
      this.#recordResume(connection, data, 'refused', 0);
      connection.refuse(AUTHENTICATION_FAILED);
      return;
    }
    if (this.#ports.clock.nowMs() < this.#host.troubles.resumesBreakUntilMs) {
      this.#recordResume(connection, data, 'unanswered', 0);
      connection.drop();
      return;
    }
    const session = this.#host.sessions.get(data.session_id);
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
    session: GatewaySession,
    data: ResumeData,
    missed: readonly Dispatch[],
  ): void {
    this.#join(connection, session, true);
    if (this.#host.troubles.resumesToStall > 0) {
      this.#host.troubles.resumesToStall--;
      const heard = untilResumed(missed);
      session.replay(heard);
      connection.stalled = true;
      this.#recordResume(connection, data, 'unanswered', heard.length);
      return;
    }
    session.replay(missed);
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
  #join(connection: Connection, session: GatewaySession, resumed: boolean): void {
    const older = session.connection;
    session.attach(connection);
    connection.attach(session, resumed);
    older?.close(GatewayCloseCodes.UnknownError, 'Session resumed on another connection.');
  }
}

/** A resume that stalls says RESUMED in no way: not with that of an earlier resume either. */
function untilResumed(missed: readonly Dispatch[]): readonly Dispatch[] {
  const end = missed.findIndex(({ event }) => event === 'RESUMED');
  return end === -1 ? missed : missed.slice(0, end);
}
