/**
 * GET /gateway/bot: where to connect, with how many shards, and how many IDENTIFYs are left.
 *
 * Nothing is cached, an answer no more than a failure (GP-37): the budget is only true at the
 * moment it is asked for. At the start of a gateway a failure that may pass (the network, a 5xx, a
 * 429) is tried again with back-off for as long as the caller lets it; a token that Discord refuses
 * is final. Later the governor of session starts asks again, once at a time, and goes on with what
 * it knows if there is no answer.
 */
import { setTimeout } from 'node:timers/promises';
import { request } from 'undici';
import { z } from 'zod';
import { FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import { FatalError, UpstreamError } from '../../protocols/errors.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import {
  GATEWAY_BOT_BACKOFF,
  GATEWAY_BOT_TIMEOUT_MS,
  GATEWAY_BOT_WAIT_MAX_MS,
  MAX_CONCURRENCY_MAX,
} from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Log, Random } from '../../protocols/ports.ts';
import { PACKAGE_USER_AGENT } from '../package-info.ts';

const gatewayBot = z.object({
  url: z.url({ protocol: /^wss?$/ }),
  shards: z.int().positive(),
  session_start_limit: z.object({
    total: z.int().nonnegative(),
    remaining: z.int().nonnegative(),
    reset_after: z.number().nonnegative(),
    max_concurrency: z.int().positive().max(MAX_CONCURRENCY_MAX),
  }),
});

export type GatewayBot = z.infer<typeof gatewayBot>;

export type AskGatewayBotOptions = {
  /** The root of the API, as `https://discord.com/api/v10`. */
  readonly apiUrl: string;
  /** Without the `Bot ` prefix. */
  readonly token: string;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
};

export type GatewayBotOptions = AskGatewayBotOptions & {
  readonly log: Log;
  readonly random: Random;
};

/**
 * @throws FatalError when Discord refuses the token or answers with something else than documented
 */
export async function fetchGatewayBot(options: GatewayBotOptions): Promise<GatewayBot> {
  let backoff = FRESH_BACKOFF;
  for (;;) {
    const attempt = await tryOnce(options);
    if ('answer' in attempt) return attempt.answer;
    const next = nextBackoff(backoff, GATEWAY_BOT_BACKOFF, options.random);
    backoff = next.state;
    const delayMs = Math.max(next.delayMs, attempt.retryAfterMs);
    options.log.warn(
      { of: options.apiUrl, reason: attempt.problem, retryInMs: Math.round(delayMs) },
      'GET /gateway/bot failed; trying again',
    );
    await sleep(delayMs, options.signal);
  }
}

/** Asks once. @throws UpstreamError when there is no answer now, FatalError as `fetchGatewayBot` */
export async function askGatewayBot(options: AskGatewayBotOptions): Promise<GatewayBot> {
  const attempt = await tryOnce(options);
  if ('answer' in attempt) return attempt.answer;
  throw new UpstreamError(`GET /gateway/bot: ${attempt.problem}`, { cause: attempt.cause });
}

/** What it says of session starts, in our words. */
export function sessionStarts({
  session_start_limit: limit,
}: Pick<GatewayBot, 'session_start_limit'>): SessionStarts {
  return {
    total: limit.total,
    remaining: limit.remaining,
    resetInMs: limit.reset_after,
    begun: limit.remaining < limit.total,
    maxConcurrency: limit.max_concurrency,
  };
}

type Attempt =
  | { readonly answer: GatewayBot }
  | { readonly problem: string; readonly cause?: unknown; readonly retryAfterMs: number };

async function tryOnce({ apiUrl, token, signal }: AskGatewayBotOptions): Promise<Attempt> {
  let status: number;
  let headers: Record<string, string | string[] | undefined>;
  let text: string;
  try {
    const response = await request(`${apiUrl}/gateway/bot`, {
      headers: { authorization: `Bot ${token}`, 'user-agent': PACKAGE_USER_AGENT },
      headersTimeout: GATEWAY_BOT_TIMEOUT_MS,
      bodyTimeout: GATEWAY_BOT_TIMEOUT_MS,
      signal,
    });
    status = response.statusCode;
    headers = response.headers;
    text = await response.body.text();
  } catch (error) {
    if (signal.aborted) throw error;
    const problem = messageOf(error);
    return { problem, cause: error, retryAfterMs: 0 };
  }
  if (status === 401) {
    throw new FatalError(
      'Discord refused the token (401 of GET /gateway/bot): set `token` or DISCORD_TOKEN to the bot’s token from the developer portal',
    );
  }
  if (status === 429 || status >= 500) {
    const askedMs = Number(headers['retry-after'] ?? 0) * 1_000;
    const retryAfterMs = askedMs > 0 ? Math.min(askedMs, GATEWAY_BOT_WAIT_MAX_MS) : 0;
    return { problem: `status ${status}`, retryAfterMs };
  }
  return { answer: read(status, text) };
}

function read(status: number, text: string): GatewayBot {
  try {
    return gatewayBot.parse(JSON.parse(text));
  } catch {
    throw new FatalError(
      `GET /gateway/bot answered status ${status} with something that Discord does not send: check api.scheme, api.host and api.version`,
    );
  }
}

/** Waits on a timer that does not outlive the signal. @throws the signal's reason */
async function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  await setTimeout(delayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}
