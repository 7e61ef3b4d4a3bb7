/**
 * Hands Discord's answer on to an HTTP client as it comes.
 *
 * Status and headers stay as they are, in their order and with their repeats; only what concerns
 * one connection is left out. An answer of usual size is taken from Discord at once and kept for a
 * client that reads slowly, so that it does not hold a connection to Discord; of a larger one no
 * more than HTTP_ANSWER_HELD_MAX_BYTES is kept.
 *
 * An answer that breaks off in the middle breaks off for the client, too, which sees that it is not
 * complete. A client that reads nothing for `stallMs` is let go.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { HTTP_ANSWER_HELD_MAX_BYTES } from '../../protocols/limits.ts';
import type { HeaderList, RestAnswer } from '../../protocols/proxy.ts';
import { hopByHopIn } from './admission.ts';

export function pass(answer: RestAnswer, response: ServerResponse, stallMs: number): void {
  if (response.destroyed) {
    answer.discard();
    return;
  }
  response.sendDate = false;
  response.writeHead(answer.status, rawHeaders(answer.headers));
  const whole = answer.body.arrived?.() ?? null;
  if (whole === null) void passLater(answer, response);
  // With the head, in one write.
  else response.end(whole);
  if (!response.writableFinished) response.setTimeout(stallMs, () => response.destroy());
}

/** Names and values in turn, as Node takes them. */
function rawHeaders(headers: HeaderList): string[] {
  const raw: string[] = [];
  const isHop = hopByHopIn(headers);
  for (const [name, value] of headers) if (!isHop(name)) raw.push(name, value);
  return raw;
}

/** What is still on its way, as it comes. */
async function passLater(answer: RestAnswer, response: ServerResponse): Promise<void> {
  try {
    for await (const chunk of answer.body) {
      if (response.destroyed) break;
      const isRoomy = response.write(chunk);
      if (!isRoomy && response.writableLength > HTTP_ANSWER_HELD_MAX_BYTES) await drained(response);
    }
    response.end();
  } catch {
    response.destroy();
  }
  if (response.destroyed) answer.discard();
}

/** Resolves when the client has read what it was given, or is gone. */
async function drained(response: ServerResponse): Promise<void> {
  const given = new AbortController();
  const { signal } = given;
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  } finally {
    given.abort();
  }
}
