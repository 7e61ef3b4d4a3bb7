/**
 * Why a connection could not be opened, in a person's words: what is so, and what to do about it.
 *
 * A driver passes on what the system says, as a code in its error or in one of the causes. What the
 * other side itself has said, and what is wrong for good, the driver has put into words already.
 */
import { FatalError } from '../../protocols/errors.ts';

type Problem = {
  readonly codes: readonly string[];
  /** How a driver says it that gives no code. */
  readonly words?: RegExp;
  /** With `@` where the place stands. */
  readonly what: string;
  readonly remedy: string;
};

const PROBLEMS: readonly Problem[] = [
  {
    codes: ['ECONNREFUSED'],
    what: 'nothing listens at @',
    remedy: 'start the server, or correct its host and port',
  },
  {
    codes: ['ENOTFOUND'],
    what: 'nobody knows the host of @',
    remedy: 'correct its name',
  },
  {
    codes: ['EAI_AGAIN'],
    what: 'the host of @ cannot be looked up now',
    remedy: 'correct its name, or check the network',
  },
  {
    codes: ['ETIMEDOUT', 'TimeoutError', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'],
    what: '@ does not answer',
    remedy: 'check its host and port, and the firewalls on the way',
  },
  {
    codes: ['EHOSTUNREACH', 'ENETUNREACH'],
    what: 'no way leads to @',
    remedy: 'check its host, and the network',
  },
  {
    codes: ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'],
    words: /^Socket closed abruptly|closed the connection$/,
    what: '@ hung up',
    remedy: 'check its port, and whether it wants TLS',
  },
  {
    codes: ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
    what: '@ speaks no TLS',
    remedy: 'check its port, or use the scheme without TLS',
  },
  {
    codes: [
      ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN'],
      ...['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
    ],
    what: 'the certificate of @ is not trusted',
    remedy: 'name the file of its certificate authority in NODE_EXTRA_CA_CERTS',
  },
  {
    codes: ['ERR_TLS_CERT_ALTNAME_INVALID'],
    what: 'the certificate of @ is made out to another host',
    remedy: 'use the name that it is made out to',
  },
  {
    codes: ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'],
    what: 'the certificate of @ is not valid now',
    remedy: 'renew it, or set the clock',
  },
];

/** Undefined where `error` says itself what is wrong, or nobody knows. */
export function connectionProblem(error: unknown, place: string): string | undefined {
  if (error instanceof FatalError) return undefined;
  const first = firstCause(error);
  if (first === undefined) return undefined;
  const code = 'code' in first && typeof first.code === 'string' ? first.code : first.name;
  const known = PROBLEMS.find(({ codes }) => codes.includes(code));
  const problem = known ?? PROBLEMS.find(({ words }) => words?.test(first.message));
  if (problem === undefined) return undefined;
  const shown = known === undefined ? '' : ` (${code})`;
  return `${problem.what.replace('@', () => place)}${shown}; ${problem.remedy}`;
}

function firstCause(error: unknown): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  return firstCause(error.cause) ?? error;
}
