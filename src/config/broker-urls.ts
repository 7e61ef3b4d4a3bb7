/**
 * Where Redis and RabbitMQ are: `redis://`, `rediss://`, `amqp://`, `amqps://` URLs and plain
 * `host:port`, taken apart once, so that no driver has to guess at a URL.
 *
 * Failures are sentences without the URL: whoever reports them shows it with its password hidden.
 */
import { suggest } from '../../protocols/suggest.ts';
import { formatHost, PORT_MAX } from './address.ts';

type Credentials = {
  readonly username: string | undefined;
  readonly password: string | undefined;
};

export type RedisEndpoint = Credentials & {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly database: number;
};

export type AmqpEndpoint = Credentials & {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly vhost: string;
  /** From the URL's query; undefined: what the driver and the server agree on. */
  readonly heartbeatSeconds: number | undefined;
  readonly frameMaxBytes: number | undefined;
  readonly channelMax: number | undefined;
};

/** What was read, or a sentence that says what is wrong. */
export type Parsed<Value> = { readonly value: Value } | { readonly problem: string };

const SCHEME = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//;
const REDIS_PORT = 6379;
const AMQP_PORT = 5672;
const AMQPS_PORT = 5671;
const DATABASE_MAX = 1_000_000;

export function parseRedisUrl(text: string): Parsed<RedisEndpoint> {
  const trimmed = text.trim();
  const url = split(SCHEME.test(trimmed) ? trimmed : `redis://${trimmed}`, ['redis', 'rediss']);
  if ('problem' in url) return url;
  const path = /^\/?(\d{0,7})$/.exec(url.value.path);
  if (path === null || Number(path[1]) > DATABASE_MAX) {
    return { problem: 'its path must be the number of a database, as in redis://localhost:6379/0' };
  }
  if (url.value.query.size > 0)
    return { problem: 'parameters after ? are not read: leave them out (TLS is rediss://)' };
  const { host, port, username, password, scheme } = url.value;
  return {
    value: {
      host: host === '' ? 'localhost' : host,
      port: port ?? REDIS_PORT,
      tls: scheme === 'rediss',
      username,
      password,
      database: Number(path[1]),
    },
  };
}

export function parseAmqpUrl(text: string): Parsed<AmqpEndpoint> {
  const url = split(text.trim(), ['amqp', 'amqps']);
  if ('problem' in url) return url;
  const { host, port, username, password, scheme, path, query } = url.value;
  const vhost = decoded(path.slice(1));
  if (vhost === undefined) return { problem: 'its virtual host is not percent-encoded correctly' };
  const parameters = amqpParameters(query);
  if (typeof parameters === 'string') return { problem: parameters };
  const anonymous = username === undefined && password === undefined;
  const tls = scheme === 'amqps';
  return {
    value: {
      host: host === '' ? 'localhost' : host,
      port: port ?? (tls ? AMQPS_PORT : AMQP_PORT),
      tls,
      username: anonymous ? 'guest' : username,
      password: anonymous ? 'guest' : password,
      vhost: vhost === '' ? '/' : vhost,
      ...parameters,
    },
  };
}

type AmqpParameters = Pick<AmqpEndpoint, 'heartbeatSeconds' | 'frameMaxBytes' | 'channelMax'>;

/** Both spellings in use: the driver's and that of RabbitMQ's documentation. */
const AMQP_PARAMETERS: Readonly<Record<string, keyof AmqpParameters>> = {
  heartbeat: 'heartbeatSeconds',
  frame_max: 'frameMaxBytes',
  frameMax: 'frameMaxBytes',
  channel_max: 'channelMax',
  channelMax: 'channelMax',
};

function amqpParameters(query: URLSearchParams): AmqpParameters | string {
  const parameters: Record<keyof AmqpParameters, number | undefined> = {
    heartbeatSeconds: undefined,
    frameMaxBytes: undefined,
    channelMax: undefined,
  };
  for (const [name, value] of query) {
    const key = Object.hasOwn(AMQP_PARAMETERS, name) ? AMQP_PARAMETERS[name] : undefined;
    if (key === undefined) {
      const names = Object.keys(AMQP_PARAMETERS);
      const near = suggest(name, names);
      const hint =
        near === undefined ? `; known are ${names.join(', ')}` : `; did you mean ${near}?`;
      return `a parameter after ? is not known${hint}`;
    }
    if (!/^\d{1,9}$/.test(value)) return `its parameter ${name} must be a whole number`;
    parameters[key] = Number(value);
  }
  return parameters;
}

type UrlParts = Credentials & {
  readonly scheme: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly path: string;
  readonly query: URLSearchParams;
};

const ENCODE_HINT = 'characters such as / # ? in a password must be percent-encoded';

/** Takes a URL apart by hand: WHATWG parsing treats these schemes' hosts as opaque text. */
function split(text: string, schemes: readonly string[]): Parsed<UrlParts> {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined || !schemes.includes(scheme)) {
    return { problem: `it must start with ${schemes.map((name) => `${name}://`).join(' or ')}` };
  }
  const rest = text.slice(scheme.length + '://'.length);
  const match = /^(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#@]*)?(?:\?([^#@]*))?$/.exec(rest);
  if (match === null) return { problem: `it cannot be read as a URL: ${ENCODE_HINT}` };
  const place = hostAndPort(match[2] ?? '');
  if (place === undefined) {
    return { problem: `its host or port is not valid (${ENCODE_HINT})` };
  }
  const credentials = splitCredentials(match[1]);
  if (credentials === undefined) {
    return { problem: 'its user name or password is not percent-encoded correctly' };
  }
  const path = match[3] ?? '';
  const query = new URLSearchParams(match[4] ?? '');
  return { value: { scheme, ...place, ...credentials, path, query } };
}

function hostAndPort(text: string): { host: string; port: number | undefined } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([a-zA-Z0-9._-]{0,253}))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > PORT_MAX)) return undefined;
  return { host: match[1] ?? match[2] ?? '', port };
}

function splitCredentials(text: string | undefined): Credentials | undefined {
  if (text === undefined || text === '') return { username: undefined, password: undefined };
  const colon = text.indexOf(':');
  const username = decoded(colon === -1 ? text : text.slice(0, colon));
  const password = colon === -1 ? '' : decoded(text.slice(colon + 1));
  if (username === undefined || password === undefined) return undefined;
  return {
    username: username === '' ? undefined : username,
    password: password === '' ? undefined : password,
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded correctly; the caller says so in its own words.
    return undefined;
  }
}

/** For people: without the password. */
export function showRedisEndpoint(endpoint: RedisEndpoint): string {
  const scheme = endpoint.tls ? 'rediss' : 'redis';
  const place = `${formatHost(endpoint.host)}:${endpoint.port}`;
  const database = endpoint.database === 0 ? '' : `/${endpoint.database}`;
  return `${scheme}://${showCredentials(endpoint)}${place}${database}`;
}

/** For people: without the password. */
export function showAmqpEndpoint(endpoint: AmqpEndpoint): string {
  const scheme = endpoint.tls ? 'amqps' : 'amqp';
  const place = `${formatHost(endpoint.host)}:${endpoint.port}`;
  return `${scheme}://${showCredentials(endpoint)}${place} (virtual host ${endpoint.vhost})`;
}

function showCredentials({ username, password }: Credentials): string {
  if (username === undefined && password === undefined) return '';
  // A name alone is hidden too: it may be a password whose colon was forgotten.
  if (password === undefined) return '***@';
  return `${encodeURIComponent(username ?? '')}:***@`;
}
