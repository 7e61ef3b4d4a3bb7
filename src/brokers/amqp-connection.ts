/**
 * One amqplib connection and its channels, watched from the first moment.
 *
 * amqplib emits `error` on connections and channels, and an `error` without a listener ends the
 * process; so listeners are attached before anything is awaited. Whatever ends one of them, an error
 * or an operator's shutdown (320), which amqplib tells only by `close`, is told once to `onEnd`.
 *
 * What the server refuses for good is fatal and says what to change: credentials (403), a virtual
 * host that is not there (530), a queue or exchange that exists with other arguments (406).
 */
import { type ChannelModel, connect } from 'amqplib';
import { BrokerUnavailableError, FatalError, SpectaclesError } from '../../protocols/errors.ts';
import { AMQP_HEARTBEAT_SECONDS, BROKER_CONNECT_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { AmqpEndpoint } from '../config/broker-urls.ts';

const REFUSALS: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /ACCESS[_-]REFUSED|\b403\b/,
    'check the user name and password of the AMQP URL, and the rights of that user',
  ],
  [
    /NOT[_-]ALLOWED|\b530\b/,
    'check the virtual host of the AMQP URL, and that its user may use it',
  ],
  [
    /PRECONDITION[_-]FAILED|\b406\b/,
    'a queue or exchange of that name exists with other arguments: delete it, or choose another broker.group',
  ],
  [
    /frame_max|Negotiated maxFrameSize/i,
    'raise frame_max in the AMQP URL: RabbitMQ 4.1 needs at least 8192',
  ],
];

/** The error that the rest of the project is told, for whatever amqplib has said. */
export function amqpError(error: unknown, label: string): SpectaclesError {
  if (error instanceof SpectaclesError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const refusal = REFUSALS.find(([pattern]) => pattern.test(message));
  if (refusal)
    return new FatalError(`${label} refuses: ${message}; ${refusal[1]}`, { cause: error });
  return new BrokerUnavailableError(`${label}: ${message}`, { cause: error });
}

/** amqplib keeps to itself why a virtual host was refused; this is all it says. */
const OPEN_REFUSED = /Expected ConnectionOpenOk; got <ConnectionClose/;

/**
 * The same for a broker that was never open: its virtual host is not there, or is not this user's.
 * One that was open before may have its virtual host back in a moment.
 */
export function firstOpenError(error: unknown, label: string): SpectaclesError {
  const message = error instanceof Error ? error.message : String(error);
  if (!OPEN_REFUSED.test(message)) return amqpError(error, label);
  return new FatalError(
    `${label} refuses the virtual host: check that it exists and that the user may use it`,
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

export async function openAmqp(
  endpoint: AmqpEndpoint,
  label: string,
  role: string,
  onEnd: (reason: unknown) => void,
): Promise<ChannelModel> {
  const { host, port, tls, username, password, vhost, frameMaxBytes, channelMax } = endpoint;
  try {
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
      {
        timeout: BROKER_CONNECT_TIMEOUT_MS,
        noDelay: true,
        keepAlive: true,
        clientProperties: { connection_name: `spectacles ${role}` },
      },
    );
    watchEnd(connection, onEnd);
    return connection;
  } catch (error) {
    throw OPEN_REFUSED.test(String(error)) ? error : amqpError(error, label);
  }
}
