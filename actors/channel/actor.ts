/**
 * The channel actor: runs what the machine decides on one link, from its opening to its loss.
 *
 * Opening is given BROKER_CONNECT_TIMEOUT_MS in all, topology and subscriptions included. Whatever
 * a link says after its channel has ended goes to a stopped actor and changes nothing. When the
 * actor is stopped while open it drains: no new events, outstanding confirms and handlers waited
 * for, within BROKER_CLOSE_MS. When it ends for any other reason the link is destroyed, what was
 * not confirmed is reported lost, and the desk decides what waits for the next channel.
 */
import type { Exit } from '../../protocols/actor.ts';
import type { BrokerState } from '../../protocols/broker.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import {
  BROKER_CLOSE_MS,
  BROKER_CONNECT_TIMEOUT_MS,
  CONFIRM_CHECK_MS,
  LOOP_LAG_WARN_MS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { within } from '../deadline.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import type { Desk } from './desk.ts';
import { linkHooks } from './hooks.ts';
import type { Link, LinkDriver, LinkHooks } from './link.ts';
import {
  type ChannelEffect,
  type ChannelMessage,
  type ChannelState,
  INITIAL_CHANNEL,
  stepChannel,
} from './machine.ts';
import type { ChannelWriter } from './writer.ts';

export type ChannelParts = {
  readonly driver: LinkDriver;
  readonly desk: Desk;
  readonly writer: ChannelWriter;
  readonly announce: (state: BrokerState) => void;
};

/** `check-due` is turned into the machine's `check` when it arrives, with what is true by then. */
type ShellMessage = ChannelMessage | { readonly kind: 'check-due'; readonly atMs: number };

type Running = {
  channel: ChannelState;
  /**
   * Kept outside the machine, so that a link whose channel ended before it heard of it is
   * destroyed.
   */
  link: Link | undefined;
  readonly opening: AbortController;
  /**
   * Aborted with the first word that the link is gone, which an actor that stops no longer hears.
   */
  readonly lost: AbortController;
  readonly clock: Clock;
};

export function channelActor(parts: ChannelParts): Behaviour<Running, ShellMessage> {
  return {
    start: (context) => startChannel(parts, context),
    receive(running, message, context) {
      let known: ChannelMessage;
      if (message.kind === 'check-due') {
        known = checkMessage(parts, running.clock);
        noteLag(message.atMs, parts.driver.label, context);
        checkLater(context);
      } else {
        known = message;
      }
      if (known.kind === 'established') context.cancel('establish');
      const { state, effects } = stepChannel(running.channel, known);
      running.channel = state;
      for (const effect of effects) run(effect, parts, context);
      return running;
    },
    async stop(running, exit: Exit) {
      const { channel, opening } = running;
      if (channel.phase === 'open' && exit.kind === 'stopped') {
        await drain(channel.link, parts, running);
      }
      opening.abort();
      running.link?.destroy();
      parts.announce('away');
      parts.writer.lose();
      parts.desk.linkLost();
    },
  };
}

function startChannel(parts: ChannelParts, context: ActorContext<ShellMessage>): Running {
  const opening = new AbortController();
  const lost = new AbortController();
  const running: Running = {
    channel: INITIAL_CHANNEL,
    link: undefined,
    opening,
    lost,
    clock: context.clock,
  };
  const { self, log } = context;
  const hooks = linkHooks({ ...parts, self, log, isAlive: () => !opening.signal.aborted, lost });
  establish(parts, hooks, opening.signal).then(
    ({ link, consumed }) => {
      if (opening.signal.aborted) {
        link.destroy();
        return;
      }
      running.link = link;
      context.self.tell({ kind: 'established', link, consumed });
    },
    (reason: unknown) => context.self.tell({ kind: 'failed', reason }),
  );
  context.after('establish', BROKER_CONNECT_TIMEOUT_MS, {
    kind: 'failed',
    reason: new BrokerUnavailableError(
      `${parts.driver.label} did not open within ${BROKER_CONNECT_TIMEOUT_MS} ms: check its port, and whether it wants TLS`,
    ),
  });
  checkLater(context);
  return running;
}

async function establish(
  parts: ChannelParts,
  hooks: LinkHooks,
  signal: AbortSignal,
): Promise<{ link: Link; consumed: readonly string[] }> {
  const link = await parts.driver.open(hooks, signal);
  const consumed = [...parts.desk.subscriptions.keys()];
  try {
    for (const event of consumed) await link.consume(event);
  } catch (error) {
    link.destroy();
    throw error;
  }
  return { link, consumed };
}

function checkMessage(parts: ChannelParts, clock: Clock): ChannelMessage {
  const { settled, outstanding } = parts.writer;
  return { kind: 'check', nowMs: clock.nowMs(), settled, outstanding };
}

/** Runs `work` and answers; a failure that is not the loss of the link is the asker's to hear. */
function answerAfter(
  work: Promise<void>,
  effect: Extract<ChannelEffect, { kind: 'consume' | 'cancel' }>,
  parts: ChannelParts,
  context: ActorContext<ShellMessage>,
): void {
  work.then(
    () => effect.done.ok(undefined),
    (reason: unknown) => {
      if (!(reason instanceof FatalError)) {
        context.self.tell({ kind: 'lost', reason });
        effect.done.ok(undefined);
        return;
      }
      parts.desk.subscriptions.delete(effect.event);
      effect.done.fail(reason);
    },
  );
}

function reconcile(
  effect: Extract<ChannelEffect, { kind: 'reconcile' }>,
  parts: ChannelParts,
  context: ActorContext<ShellMessage>,
): void {
  const { link } = effect;
  const wanted = parts.desk.subscriptions;
  const consumed = new Set(effect.consumed);
  const missing = [...wanted.keys()].filter((event) => !consumed.has(event));
  const unwanted = effect.consumed.filter((event) => !wanted.has(event));
  const change = (event: string, made: Promise<void>): void => {
    made.catch((reason: unknown) => context.self.tell({ kind: 'consuming-failed', event, reason }));
  };
  for (const event of missing) change(event, link.consume(event));
  for (const event of unwanted) change(event, link.cancel(event));
}

function run(
  effect: ChannelEffect,
  parts: ChannelParts,
  context: ActorContext<ShellMessage>,
): void {
  switch (effect.kind) {
    case 'open-writer':
      parts.writer.open(effect.link.sink);
      break;
    case 'pause-writer':
      parts.writer.pause();
      break;
    case 'perform-waiting':
      parts.desk.performWaiting(effect.link);
      break;
    case 'reconcile':
      reconcile(effect, parts, context);
      break;
    case 'consume':
      answerAfter(effect.link.consume(effect.event), effect, parts, context);
      break;
    case 'cancel':
      answerAfter(effect.link.cancel(effect.event), effect, parts, context);
      break;
    case 'answer':
      effect.done.ok(undefined);
      break;
    case 'announce':
      parts.announce(effect.state);
      break;
    case 'finish':
      context.finish(effect.exit);
      break;
  }
}

function whenAborted({ signal }: AbortController): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * Lets what was taken be confirmed and what was delivered be handled, then says goodbye. All of it
 * is over when the link is lost meanwhile.
 */
async function drain(link: Link, parts: ChannelParts, running: Running): Promise<void> {
  const { clock, lost } = running;
  const startedMs = clock.nowMs();
  const gone = whenAborted(lost);
  parts.writer.pause();
  const settled = Promise.all([parts.writer.idle(), parts.desk.sentIdle()]);
  await within(clock, BROKER_CLOSE_MS, Promise.race([gone, settled]));
  if (lost.signal.aborted) return;
  const leftMs = Math.max(0, BROKER_CLOSE_MS - (clock.nowMs() - startedMs));
  await within(clock, leftMs, Promise.race([gone, link.close(leftMs)]));
}

function checkLater(context: ActorContext<ShellMessage>): void {
  const atMs = context.clock.nowMs() + CONFIRM_CHECK_MS;
  context.after('check', CONFIRM_CHECK_MS, { kind: 'check-due', atMs });
}

/** A process that is too busy misses heartbeats, and its broker hangs up: then this says why. */
function noteLag(dueMs: number, label: string, context: ActorContext<ShellMessage>): void {
  const lagMs = context.clock.nowMs() - dueMs;
  if (lagMs < LOOP_LAG_WARN_MS) return;
  context.log.warn(
    { lagMs: Math.round(lagMs) },
    `the process was too busy to see to ${label}, which may hang up on it: shorten what handlers do in one go`,
  );
}
