/**
 * Hands the bot to a handler: `{ broker, rest, log }` to what its module exports by default.
 *
 * A listener that fails is logged and costs its own event; a handler that cannot start ends the
 * start. What it listens to is known once it has started, and decides what is published.
 */
import type { Broker } from '../../protocols/broker.ts';
import {
  DISPATCH_EVENTS,
  type DispatchEventName,
  isDispatchEvent,
} from '../../protocols/discord/dispatch-events.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { GAP_EVENT } from '../../protocols/gateway/gap.ts';
import type { Log } from '../../protocols/ports.ts';
import { suggest } from '../../protocols/suggest.ts';
import type { RunOptions, ServiceRuntime } from '../cli/services.ts';
import { Attached } from '../client/local.ts';
import type { Rest } from '../client/rest.ts';
import { unlessAborted } from '../unless-aborted.ts';

/** What a handler is given. */
export type Bot = {
  readonly broker: Attached;
  readonly rest: Rest;
  readonly log: Log;
};

/**
 * Hands the bot to the handler. What the handler does cannot be broken off, but is not waited for
 * when the process is to stop.
 * @returns the events that it listens to, all of them subscribed
 */
export async function startHandler(
  handler: RunOptions['handler'],
  { events, rest }: { readonly events: Broker; readonly rest: Rest },
  { log, signal }: ServiceRuntime,
): Promise<readonly DispatchEventName[]> {
  const module = await unlessAborted(signal, handler.load());
  const start: unknown = module.default;
  if (typeof start !== 'function') {
    throw new ConfigurationError(
      `handler ${handler.path}: it has no default export that is a function; write: export default function ({ broker, rest }) { … }`,
    );
  }
  // Nobody else takes what comes to the handler.
  const broker = new Attached(events, { log, audience: 'each' });
  broker.on('error', (error) => {
    log.error({ error, at: handler.placeOf(error.cause) }, error.message);
  });
  const bot: Bot = { broker, rest, log };
  try {
    await unlessAborted(
      signal,
      Promise.resolve().then(() => start(bot)),
    );
  } catch (error) {
    signal.throwIfAborted();
    throw await handler.failure(error);
  }
  const names = broker.eventNames().filter((name) => typeof name === 'string');
  const listened = names.filter(isDispatchEvent);
  const gap = names.filter((name) => name === GAP_EVENT);
  await unlessAborted(signal, broker.subscribe([...listened, ...gap]));
  if (listened.length === 0) log.warn({}, 'the handler listens to no event of Discord');
  for (const warning of misspeltEvents(names)) log.warn({}, warning);
  return listened;
}

/** Events of a bot's own are its own to subscribe; a name that is nearly Discord's is a mistake. */
function misspeltEvents(names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const near = isDispatchEvent(name) ? undefined : suggest(name, DISPATCH_EVENTS);
    if (near === undefined) return [];
    return [`the handler listens to ${name}, which is no event of Discord; did you mean ${near}?`];
  });
}
