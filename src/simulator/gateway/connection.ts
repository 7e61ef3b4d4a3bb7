/**
 * One socket as the simulated gateway sees it: HELLO, heartbeats, the frame limit, and the end.
 *
 * What concerns sessions is handed to the owner; a connection only knows which session it carries,
 * to judge the sequence in heartbeats. It never throws at a client's doing: whatever Discord
 * punishes becomes a record in the audit log and, where Discord closes, a close with Discord's
 * code.
 */
import { GatewayCloseCodes, GatewayOpcodes } from 'discord-api-types/v10';
import { SIMULATOR_BACKLOG_MAX_BYTES } from '../../../protocols/limits.ts';
import type { Clock, Timer } from '../../../protocols/ports.ts';
import type { Audit, BreachName, GatewayHost } from '../audit.ts';
import { type ClientFrame, type Refusal, readClientFrame } from './client-frames.ts';
import { FrameWindow } from './frame-window.ts';
import type { ConnectParameters, Framing, Link } from './link.ts';
import type { GatewayOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import type { Dispatch } from './replay-buffer.ts';
import type { Session } from './session.ts';

/** What stands for an end without a close frame, as in RFC 6455. */
export const NO_CLOSE_FRAME = 1006;

export type ConnectionOwner = {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly options: GatewayOptions;
  /** Takes a well-formed frame other than a heartbeat. */
  handle(connection: Connection, frame: ClientFrame): void;
  /** Told once, when nothing more will come of the connection. */
  ended(connection: Connection, by: 'client' | 'server' | 'network', code: number): void;
};

/** A session as the gateway holds it, carried by a connection or by none. */
export type GatewaySession = Session<Connection>;

/** Where a connection stands. `starting` waits for a READY that is late. */
export type Phase = 'connected' | 'greeted' | 'starting' | 'live' | 'ended';

export class Connection {
  readonly id: number;
  readonly host: GatewayHost;
  readonly parameters: ConnectParameters;
  readonly outbox: Outbox;
  phase: Phase = 'connected';
  session: GatewaySession | undefined;
  /**
   * A RESUME was answered with op 9, or the session was taken away: Discord expects a new
   * connection.
   */
  invalidated = false;
  /** Dispatches are kept in the session and not sent: a resume that never ends. */
  stalled = false;
  withholdsAcks = false;
  /** Dispatches come with `d` first, which JSON allows and Discord does not do today. */
  reversesKeys = false;

  readonly #owner: ConnectionOwner;
  readonly #link: Link;
  readonly #frames = new FrameWindow();
  #heartbeatIntervalMs = 0;
  #frozen = false;
  /** Op 9 that could not be said yet. */
  #owesInvalidSession: boolean | undefined;
  #triedResume = false;
  #heartbeatSequence: number | null = null;
  #sequenceBeforeSession: number | null = null;
  #heartbeatDeadline: Timer | undefined;
  #requestDeadline: Timer | undefined;
  #reconnectDeadline: Timer | undefined;

  constructor(
    id: number,
    owner: ConnectionOwner,
    link: Link,
    host: GatewayHost,
    parameters: ConnectParameters,
  ) {
    this.id = id;
    this.host = host;
    this.parameters = parameters;
    this.#owner = owner;
    this.#link = link;
    this.outbox = new Outbox(owner.clock, link);
  }

  greet(heartbeatIntervalMs: number): void {
    const d = { heartbeat_interval: heartbeatIntervalMs };
    this.#sendControl(GatewayOpcodes.Hello, d, () => {
      if (this.phase === 'connected') this.phase = 'greeted';
      this.#expectHeartbeat(heartbeatIntervalMs);
    });
    this.#heartbeatIntervalMs = heartbeatIntervalMs;
  }

  /** A frame from the client. */
  receive(data: string | Uint8Array): void {
    if (this.phase === 'ended' || this.#frozen) return;
    const read = readClientFrame(data);
    const op = read.kind === 'frame' ? read.frame.op : read.op;
    this.#owner.audit.record('frame', { connection: this.id, op, bytes: read.bytes });
    if (!this.#frames.admit(this.#owner.clock.nowMs())) this.refuse(RATE_LIMITED);
    else if (read.kind === 'refused') this.refuse(read.refusal);
    else this.#take(read.frame);
  }

  /** The link ended: by the client's close frame, or without one (1006). */
  closed(code: number): void {
    if (this.phase === 'ended') return;
    // Through a dead network the server learns nothing of what the client does.
    if (this.#frozen) return;
    this.#end(code === NO_CLOSE_FRAME ? 'network' : 'client', code);
  }

  sendDispatch(dispatch: Dispatch, framing: Framing | undefined, sent: () => void): void {
    if (this.stalled) return;
    const { event, sequence, json } = dispatch;
    const text = this.reversesKeys
      ? `{"d":${json},"op":0,"s":${sequence},"t":"${event}"}`
      : `{"t":"${event}","s":${sequence},"op":0,"d":${json}}`;
    this.outbox.send(text, framing, sent);
    if (this.outbox.backlogBytes() > SIMULATOR_BACKLOG_MAX_BYTES) this.drop();
  }

  /**
   * A server that is silent says it when it speaks again: the session is gone before the client
   * knows.
   */
  sendInvalidSession(resumable: boolean): void {
    if (this.outbox.isMuted) this.#owesInvalidSession = resumable;
    else this.#sendControl(GatewayOpcodes.InvalidSession, resumable);
  }

  /** Swallows everything that is sent from now on, or ends that. */
  mute(muted: boolean): void {
    if (this.#frozen) return;
    this.outbox.mute(muted);
    const owed = this.#owesInvalidSession;
    if (muted || owed === undefined || this.phase === 'ended') return;
    this.#owesInvalidSession = undefined;
    this.sendInvalidSession(owed);
  }

  /** Asks for a heartbeat out of turn; one that does not come is a breach. */
  requestHeartbeat(): void {
    // Before HELLO a client may send nothing, so nothing can be asked of it.
    if (this.phase === 'connected') return;
    this.#sendControl(GatewayOpcodes.Heartbeat, null, () => {
      this.#requestDeadline?.cancel();
      this.#requestDeadline = this.#owner.clock.setTimer(
        this.#owner.options.heartbeatToleranceMs,
        () => this.breach('heartbeat-request-ignored', 'a requested heartbeat did not come'),
      );
    });
  }

  /** Sends op 7, and closes with `code` later if the client is still there. */
  requestReconnect(graceMs: number, code: number): void {
    this.#sendControl(GatewayOpcodes.Reconnect, null);
    this.#reconnectDeadline?.cancel();
    this.#reconnectDeadline = this.#owner.clock.setTimer(graceMs, () => {
      this.close(code, 'Reconnect requested.');
    });
  }

  /** A message that no part of the documentation knows, or that is not even JSON. */
  sendText(text: string, framing?: Framing): void {
    this.outbox.send(text, framing);
  }

  sendRaw(bytes: Uint8Array): void {
    if (this.phase !== 'ended' && !this.#frozen) this.#link.sendRaw(bytes);
  }

  /** Takes up a session, new or continued. */
  attach(session: GatewaySession, resumed: boolean): void {
    const orphan = this.#sequenceBeforeSession;
    if (!resumed && !this.#triedResume && !this.invalidated && orphan !== null) {
      this.breach(
        'heartbeat-sequence',
        `heartbeat with ${orphan} before the session had any event`,
      );
    }
    this.session = session;
    this.phase = 'live';
    this.#heartbeatSequence = null;
  }

  /** Takes the session away but keeps the socket, as op 9 does. */
  detach(): void {
    this.session = undefined;
    this.phase = 'greeted';
  }

  noteResumeTried(): void {
    this.#triedResume = true;
  }

  breach(name: BreachName, detail: string): void {
    const shard = this.session?.shard ?? null;
    this.#owner.audit.record('breach', { name, detail, connection: this.id, shard });
  }

  /** Records the breach and closes with the code that Discord has for it. */
  refuse(refusal: Refusal): void {
    this.breach(refusal.breach, refusal.detail);
    this.close(refusal.code, refusal.reason);
  }

  close(code: number, reason: string): void {
    if (this.phase === 'ended') return;
    if (!this.#frozen) this.#link.close(code, reason);
    this.#end('server', code);
  }

  /** Ends without a close frame. */
  drop(): void {
    if (this.phase === 'ended') return;
    if (!this.#frozen) this.#link.destroy();
    this.#end('network', NO_CLOSE_FRAME);
  }

  /** From now on the network passes nothing, and neither side is told: a half-open connection. */
  freeze(): void {
    if (this.phase === 'ended') return;
    this.#frozen = true;
    this.outbox.mute(true);
    this.#requestDeadline?.cancel();
    this.#link.freeze();
  }

  #take(frame: ClientFrame): void {
    if (this.phase === 'connected') {
      this.breach('frame-before-hello', `op ${frame.op} before HELLO was sent`);
    }
    if (frame.op === GatewayOpcodes.Heartbeat) this.#heartbeat(frame.d);
    else this.#owner.handle(this, frame);
  }

  #heartbeat(sequence: number | null): void {
    this.#owner.audit.record('heartbeat', { connection: this.id, sequence });
    this.#requestDeadline?.cancel();
    this.#judgeHeartbeat(sequence);
    if (this.phase !== 'connected') this.#expectHeartbeat(this.#heartbeatIntervalMs);
    if (!this.withholdsAcks) this.#sendControl(GatewayOpcodes.HeartbeatAck, null);
  }

  #judgeHeartbeat(sequence: number | null): void {
    if (sequence === 0) {
      this.breach(
        'heartbeat-sequence',
        'heartbeat with 0, which no event ever has; null is for none',
      );
      return;
    }
    if (this.session === undefined) {
      this.#sequenceBeforeSession = sequence;
      return;
    }
    const sent = this.session.sentSequence;
    if (sequence !== null && sequence > sent) {
      this.breach('heartbeat-sequence', `heartbeat with ${sequence} where ${sent} was sent last`);
    } else if (sequence === null && this.#heartbeatSequence !== null) {
      const detail = `heartbeat with null after one with ${this.#heartbeatSequence}`;
      this.breach('heartbeat-sequence', detail);
    }
    this.#heartbeatSequence = sequence ?? this.#heartbeatSequence;
  }

  #expectHeartbeat(intervalMs: number): void {
    this.#heartbeatDeadline?.cancel();
    const delayMs = intervalMs + this.#owner.options.heartbeatToleranceMs;
    this.#heartbeatDeadline = this.#owner.clock.setTimer(delayMs, () => this.#heartbeatMissed());
  }

  /**
   * Discord says that the connection is closed and the client forced to resume, so the session
   * stays; the code is the one clients report for it.
   */
  #heartbeatMissed(): void {
    if (this.#frozen) this.drop();
    else this.refuse(HEARTBEAT_MISSED);
  }

  #sendControl(op: number, d: unknown, sent?: () => void): void {
    this.outbox.send(JSON.stringify({ t: null, s: null, op, d }), undefined, sent);
  }

  #end(by: 'client' | 'server' | 'network', code: number): void {
    this.phase = 'ended';
    this.outbox.stop();
    this.#heartbeatDeadline?.cancel();
    this.#requestDeadline?.cancel();
    this.#reconnectDeadline?.cancel();
    this.#owner.ended(this, by, code);
  }
}

const RATE_LIMITED: Refusal = {
  code: GatewayCloseCodes.RateLimited,
  reason: 'Rate limited.',
  breach: 'rate-limited',
  detail: 'more than 120 frames in 60 s',
};

const HEARTBEAT_MISSED: Refusal = {
  code: GatewayCloseCodes.SessionTimedOut,
  reason: 'Session timed out.',
  breach: 'heartbeat-missed',
  detail: 'no heartbeat within the interval and its tolerance',
};
