/**
 * Every error the project throws or reports: one base class, one class a condition, a stable
 * `code`.
 *
 * Whether an operation may be tried again is decided by `RETRYABLE_CODES` alone. An error that is
 * not in that closed list is final, and one that is no `SpectaclesError` is a programming error.
 *
 * Messages are read by people: they name the key, the value and what is allowed. They never carry a
 * token or a password.
 */

const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'ASK_TIMEOUT',
  'ACTOR_STOPPED',
  'MAILBOX_FULL',
  'BROKER_UNAVAILABLE',
  'PUBLISH_TIMEOUT',
  'PUBLISH_REFUSED',
  'STORE_UNAVAILABLE',
]);

export abstract class SpectaclesError extends Error {
  abstract readonly code: string;

  override get name(): string {
    return this.constructor.name;
  }

  /** Whether the same operation may succeed when it is tried again unchanged. */
  get retryable(): boolean {
    return RETRYABLE_CODES.has(this.code);
  }
}

/** A message asked for an answer and none came within its deadline. */
export class AskTimeoutError extends SpectaclesError {
  readonly code = 'ASK_TIMEOUT';
  constructor(path: string, timeoutMs: number) {
    super(`${path} did not answer within ${timeoutMs} ms`);
  }
}

/** The actor that was asked is gone, or went before it answered. */
export class ActorStoppedError extends SpectaclesError {
  readonly code = 'ACTOR_STOPPED';
  constructor(path: string) {
    super(`${path} stopped before it answered`);
  }
}

/** The actor that was asked has too much to do already; it never saw the question. */
export class MailboxFullError extends SpectaclesError {
  readonly code = 'MAILBOX_FULL';
  constructor(path: string, maxCount: number) {
    super(`${path} has ${maxCount} messages waiting and takes no more`);
  }
}

/** An actor could not be started where it was to stand: a programming error. */
export class SpawnRefusedError extends SpectaclesError {
  readonly code = 'SPAWN_REFUSED';
  constructor(path: string, why: string) {
    super(`cannot start actor ${path}: ${why}`);
  }
}

/** A child was restarted too often: its supervisor gives up, for its own supervisor to decide. */
export class RestartIntensityError extends SpectaclesError {
  readonly code = 'RESTART_INTENSITY';
  constructor(id: string, maxRestarts: number, windowMs: number) {
    super(`${id} ended more than ${maxRestarts} times within ${windowMs} ms`);
  }
}

/** A configuration key or command-line option has a value that cannot be used. Exit status 2. */
export class ConfigurationError extends SpectaclesError {
  readonly code = 'CONFIGURATION';
}

/**
 * A request's path cannot be sent to Discord. It may hold a token, so the message never repeats it.
 */
export class PathRefusedError extends SpectaclesError {
  readonly code = 'PATH_REFUSED';
  constructor(why: string) {
    super(`the request's path is refused: ${why}`);
  }
}

/** A server cannot listen because another program does. Exit status 2. */
export class PortInUseError extends SpectaclesError {
  readonly code = 'PORT_IN_USE';
  /** @param setting what a person changes to have another port */
  constructor(setting: string, host: string, port: number) {
    super(
      `port ${port} of ${host} is in use by another program: stop it, or give another port in ${setting}; 0 takes a free one`,
    );
  }
}

/** The service cannot go on, and trying again will not help. Exit status 1. */
export class FatalError extends SpectaclesError {
  readonly code = 'FATAL';
}

/** A handler threw while it was loaded, or where nobody catches: a mistake in it. Exit status 1. */
export class HandlerLoadError extends SpectaclesError {
  readonly code = 'HANDLER_LOAD';
}

/** A handler's listener threw, or rejected, on an event; the cause is its own error. */
export class ListenerError extends SpectaclesError {
  readonly code = 'LISTENER';
  constructor(event: string, cause: unknown) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`the listener of ${event} failed with ${what}`, { cause });
  }
}

/** The process was asked to stop and something in it did not. Exit status 1. */
export class StopDeadlineError extends SpectaclesError {
  readonly code = 'STOP_DEADLINE';
  constructor(deadlineMs: number) {
    super(`did not stop within ${deadlineMs} ms; what was in flight is abandoned`);
  }
}

/** The broker is away; what was to be published was not confirmed. */
export class BrokerUnavailableError extends SpectaclesError {
  readonly code = 'BROKER_UNAVAILABLE';
}

/** A store cannot be reached, or gave no answer in time; what was to be saved may not be. */
export class StoreUnavailableError extends SpectaclesError {
  readonly code = 'STORE_UNAVAILABLE';
}

/** The broker did not confirm a publish within its deadline. */
export class PublishTimeoutError extends SpectaclesError {
  readonly code = 'PUBLISH_TIMEOUT';
  constructor(event: string, timeoutMs: number) {
    super(`the broker did not confirm ${event} within ${timeoutMs} ms`);
  }
}

/** A message's body is in none of the encodings that the clients use. */
export class UndecodableBodyError extends SpectaclesError {
  readonly code = 'UNDECODABLE_BODY';
}

/**
 * The transport cannot do what was asked of it, whatever its state: standard output has no replies.
 */
export class UnsupportedByBrokerError extends SpectaclesError {
  readonly code = 'UNSUPPORTED_BY_BROKER';
}

/** A call, or a publish that is `mandatory`, was for an event that nobody consumes. */
export class UnroutableError extends SpectaclesError {
  readonly code = 'UNROUTABLE';
  constructor(event: string) {
    super(`nobody consumes ${event}: start the service that answers it`);
  }
}

/**
 * A call was sent and no answer came within its deadline; whether it was carried out is unknown.
 */
export class CallTimeoutError extends SpectaclesError {
  readonly code = 'CALL_TIMEOUT';
  constructor(event: string, timeoutMs: number) {
    super(`no answer to ${event} within ${timeoutMs} ms`);
  }
}

/** Who was to answer a call has gone; whether it was carried out is unknown. */
export class PeerGoneError extends SpectaclesError {
  readonly code = 'PEER_GONE';
  constructor(event: string) {
    super(
      `the process that was to answer ${event} has gone; whether it was carried out is unknown`,
    );
  }
}

/** A request to the proxy cannot be read; `status` is what its sender is answered with. */
export class ProxyRequestError extends SpectaclesError {
  readonly code = 'PROXY_REQUEST';
  readonly status: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
  constructor(status: ProxyRequestError['status'], message: string) {
    super(message);
    this.status = status;
  }
}

/** A compressed stream cannot be continued, or a message of it is larger than it may be. */
export class GarbledStreamError extends SpectaclesError {
  readonly code = 'GARBLED_STREAM';
}

/**
 * The broker answered a publish with a refusal: it did not take the message and stays reachable.
 */
export class PublishRefusedError extends SpectaclesError {
  readonly code = 'PUBLISH_REFUSED';
}

/** A part of the proxy crashed while the request was on its way; Discord may have seen it. */
export class ProxyCrashError extends SpectaclesError {
  readonly code = 'PROXY_CRASH';
  constructor() {
    super('the proxy failed while the request was on its way; whether Discord saw it is unknown');
  }
}

/** HTTP/2 is configured, and the host of Discord's API speaks only HTTP/1.1. */
export class Http2NotOfferedError extends SpectaclesError {
  readonly code = 'HTTP2_NOT_OFFERED';
  constructor() {
    super('the host does not offer HTTP/2: set discord.http_version to "1.1"');
  }
}

/** Discord could not be reached, or the connection ended before its answer. */
export class UpstreamError extends SpectaclesError {
  readonly code = 'UPSTREAM';
}

/** A request to the proxy cannot be sent on to Discord; `part` is what is wrong with it. */
export class AdmissionError extends SpectaclesError {
  readonly code = 'ADMISSION';
  readonly part: 'method' | 'path' | 'headers';
  constructor(part: AdmissionError['part'], message: string) {
    super(message);
    this.part = part;
  }
}

/**
 * The body of a request cannot be taken: it is too large, or there is no room for it at the moment.
 */
export class RequestBodyError extends SpectaclesError {
  readonly code = 'REQUEST_BODY';
  readonly why: 'too-large' | 'full' | 'disk';
  constructor(why: RequestBodyError['why'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.why = why;
  }
}

/** A proxy answered a request without an answer of Discord; `status` is the proxy's own. */
export class ProxyAnswerError extends SpectaclesError {
  readonly code = 'PROXY_ANSWER';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The body of Discord's answer ended early, is larger than is allowed, or (`late`) came too late.
 */
export class AnswerBodyError extends SpectaclesError {
  readonly code = 'ANSWER_BODY';
  readonly late: boolean;
  constructor(message: string, options: ErrorOptions & { readonly late?: boolean } = {}) {
    super(message, options);
    this.late = options.late ?? false;
  }
}

/** Why a command to the gateway is not sent. */
export type CommandRefusal =
  /** It cannot be read, or is none that Discord takes. */
  | 'invalid'
  /** No gateway has its shard. */
  | 'unowned'
  /** Too many commands wait for its shard already. */
  | 'full'
  /** Its shard could not send it in time. */
  | 'expired'
  /** Discord does not accept its shard as it is configured. */
  | 'failed'
  /** It may have been sent: nobody can know any more. */
  | 'unknown';

/** Why a request for members has no complete answer. */
export type MembersFailure =
  /** The gateway did not send it, or nobody knows; or the broker did not take it. */
  | 'refused'
  /** Discord limits it for longer than it may take. */
  | 'limited'
  /** The session that was to bring the answer is lost. */
  | 'session-lost'
  /** The broker was away meanwhile. */
  | 'disconnected'
  /** Not all of it came in time. */
  | 'overdue'
  /** More chunks than are collected. */
  | 'too-large'
  /** Too many other requests have no answer yet. */
  | 'full';

/** A request for members ended without all of them. */
export class MembersError extends SpectaclesError {
  readonly code = 'MEMBERS';
  readonly reason: MembersFailure;
  constructor(reason: MembersFailure, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A command to the gateway was not sent, or nobody knows whether it was. */
export class CommandRefusedError extends SpectaclesError {
  readonly code = 'COMMAND_REFUSED';
  readonly reason: CommandRefusal;
  constructor(reason: CommandRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}
