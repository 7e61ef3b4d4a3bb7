/**
 * One amqplib connection and its channels, watched from the first moment.
 *
 * amqplib emits `error` on connections and channels, and an `error` without a listener ends the
 * process; so listeners are attached before anything is awaited. Whatever ends one of them, an
 * error or an operator's shutdown (320), which amqplib tells only by `close`, is told once to
 * `onEnd`.
 *
 * What the server refuses for good is fatal and says what to change: credentials or rights (403), a
 * virtual host that is not there (530), a queue or exchange that exists with other arguments (406).
 * The same 406 on a channel in use means something else (a handler kept a message for longer than
 * the server allows) and is mended by the next link, so ends are judged by `endError` and what was
 * asked for by `declarationError`.
 */
import { type ChannelModel, connect } from 'amqplib';
import { BrokerUnavailableError, FatalError, SpectaclesError } from '../../protocols/errors.ts';
import { AMQP_HEARTBEAT_SECONDS, BROKER_CONNECT_TIMEOUT_MS } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { AmqpEndpoint } from '../config/broker-urls.ts';

type Refusal = readonly [pattern: RegExp, remedy: string];

const NO_RIGHTS: Refusal = [
  /ACCESS[_-]REFUSED/,
  'check the user name and password of the AMQP URL, and the rights of that user',
];

const REFUSALS: readonly Refusal[] = [
  NO_RIGHTS,
  [/NOT[_-]ALLOWED/, 'check the virtual host of the AMQP URL, and that its user may use it'],
  [
    /PRECONDITION[_-]FAILED/,
    'a queue or exchange of that name exists with other arguments: delete it, or choose another broker.group',
  ],
  [/frame_max|frameMax/, 'raise frame_max: in the AMQP URL if it is set there, else in the server'],
];

function knownError(error: unknown, label: string, refusals: readonly Refusal[]): SpectaclesError {
  if (error instanceof SpectaclesError) return error;
  const message = messageOf(error);
  const refusal = refusals.find(([pattern]) => pattern.test(message));
  if (refusal)
    return new FatalError(`${label} refuses: ${message}; ${refusal[1]}`, { cause: error });
  return new BrokerUnavailableError(`${label}: ${message}`, { cause: error });
}

/** What became of something that was asked for: a connection, a declaration, a consumer. */
export function declarationError(error: unknown, label: string): SpectaclesError {
  return knownError(error, label, REFUSALS);
}

/** Why a connection or channel that was in use has ended: only lost rights are for good. */
export function endError(error: unknown, label: string): SpectaclesError {
  return knownError(error, label, [NO_RIGHTS]);
}

/** amqplib keeps to itself why a virtual host was refused; this is all it says. */
const OPEN_REFUSED = /Expected ConnectionOpenOk; got <ConnectionClose/;

/** What amqplib makes of bytes that are no frames. */
const NOT_AMQP = /exceeds maxFrameSize|Invalid frame/;

/** RabbitMQ from 4.1 on refuses smaller ones, by the same means. */
const FRAME_MAX_FLOOR_BYTES = 8_192;

/**
 * The same for a broker that was never open: its virtual host is not there, or is not this user's;
 * or it is another program. One that was open before may have its virtual host back in a moment.
 */
export function firstOpenError(
  error: unknown,
  label: string,
  endpoint: AmqpEndpoint,
): SpectaclesError {
  const message = messageOf(error);
  if (NOT_AMQP.test(message)) {
    return new FatalError(
      `${label} does not speak AMQP 0-9-1: check the host and port of the AMQP URL`,
      { cause: error },
    );
  }
  if (!OPEN_REFUSED.test(message)) return declarationError(error, label);
  const { frameMaxBytes } = endpoint;
  const isSmall = frameMaxBytes !== undefined && frameMaxBytes < FRAME_MAX_FLOOR_BYTES;
  const frames = isSmall ? `; frame_max is ${frameMaxBytes}, RabbitMQ 4.1 needs 8192` : '';
  return new FatalError(
    `${label} refuses the virtual host: check that it exists, that the user may use it, and its limit of connections${frames}`,
    { cause: error },
  );
}

type Emitter = { on(event: string, listener: (...args: unknown[]) => void): unknown };

/** Tells `onEnd` once of the first `error` or `close`. */
export function watchEnd(emitter: Emitter, onEnd: (reason: unknown) => void): void {
  let isOver = false;
  const end = (reason: unknown) => {
    if (isOver) return;
    isOver = true;
    onEnd(reason ?? new Error('the connection was closed'));
  };
  emitter.on('error', end);
  emitter.on('close', end);
}

/**
 * What it rejects with is amqplib's own: whether that is for good depends on what was there before.
 *
 * `signal` ends the connection at once, however far it has come. It does so as an error of its
 * socket: of one that merely closes amqplib hears nothing, so it would beat on for half a minute,
 * which keeps the process alive, and leave unsettled what waits for an answer.
 */
export async function openAmqp(
  endpoint: AmqpEndpoint,
  role: string,
  signal: AbortSignal,
  onEnd: (reason: unknown) => void,
): Promise<ChannelModel> {
  signal.throwIfAborted();
  const { host, port, tls, username, password, vhost, frameMaxBytes, channelMax } = endpoint;
  // All of them go on to node:net or node:tls, the signal as well, of which the types do not know.
  const socketOptions = {
    timeout: BROKER_CONNECT_TIMEOUT_MS,
    noDelay: true,
    keepAlive: true,
    signal,
    clientProperties: { connection_name: `spectacles ${role}` },
  };
  const connection = await connect(
    {
      protocol: tls ? 'amqps' : 'amqp',
      hostname: host,
      port,
      vhost: encodeURIComponent(vhost),
      heartbeat: endpoint.heartbeatSeconds ?? AMQP_HEARTBEAT_SECONDS,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(frameMaxBytes !== undefined && { frameMax: frameMaxBytes }),
      ...(channelMax !== undefined && { channelMax }),
    },
    socketOptions,
  );
  watchEnd(connection, onEnd);
  return connection;
}
