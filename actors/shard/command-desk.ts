/**
 * The commands of one shard with those who wait for them: runs the queue of commands.
 *
 * It hands the connection what the queue lets go, and tells each command's fate to whoever waits
 * for it. A presence that was sent is remembered, since it has to be set again with each session.
 *
 * Failure: it lives as long as the shard's actor. Whatever way that ends, the runtime tells those
 * who still wait, and they ask the next incarnation.
 */
import { GatewayCloseCodes } from 'discord-api-types/v10';
import type { ActorRef, Reply } from '../../protocols/actor.ts';
import type {
  ConnectionEnd,
  ConnectionMessage,
  ShardMessage,
} from '../../protocols/gateway/messages.ts';
import type { ActorContext } from '../runtime.ts';
import {
  type CommandEffect,
  type CommandInput,
  type CommandQueue,
  EMPTY_QUEUE,
  stepCommands,
} from './command-queue.ts';
import type { PresenceMemory } from './ports.ts';
import type { ShardState } from './state.ts';

type Context = ActorContext<ShardMessage>;

export class CommandDesk {
  readonly #presence: PresenceMemory;
  readonly #connection: () => ActorRef<ConnectionMessage> | undefined;
  #queue: CommandQueue = EMPTY_QUEUE;
  /** Who waits for a command, by its id; no more entries than the queue has. */
  readonly #fates = new Map<number, Reply<void>>();
  #lastId = 0;

  constructor(presence: PresenceMemory, connection: () => ActorRef<ConnectionMessage> | undefined) {
    this.#presence = presence;
    this.#connection = connection;
  }

  /** Takes a new command. */
  take(
    { command, expiresAtMs, fate }: Extract<ShardMessage, { type: 'command' }>,
    context: Context,
  ): void {
    const id = ++this.#lastId;
    this.#fates.set(id, fate);
    this.hear({ type: 'command', id, command, expiresAtMs }, context);
  }

  hear(input: CommandInput, context: Context): void {
    const step = stepCommands(this.#queue, input, context.clock.nowMs());
    this.#queue = step.queue;
    for (const effect of step.effects) this.#run(effect, context);
  }

  /**
   * Discord could not read something of ours; a presence that it refuses must not be in every
   * IDENTIFY.
   */
  doubtPresence(end: ConnectionEnd): void {
    const isUnreadable = end.kind === 'closed' && end.code === GatewayCloseCodes.DecodeError;
    if (isUnreadable) this.#presence.forget();
  }

  #run(effect: CommandEffect, context: Context): void {
    switch (effect.type) {
      case 'send': {
        const { id, command } = effect;
        this.#connection()?.tell({ type: 'send', id, command, done: this.#fates.get(id) });
        break;
      }
      case 'sent':
        this.#settle(effect.id)?.ok(undefined);
        if (effect.command.presence !== undefined) this.#presence.remember(effect.command.presence);
        break;
      case 'refuse':
        this.#settle(effect.id)?.fail(effect.error);
        break;
      case 'arm':
        context.after('commands', effect.delayMs, { type: 'commands-due' });
        break;
      case 'disarm':
        context.cancel('commands');
        break;
    }
  }

  #settle(id: number): Reply<void> | undefined {
    const fate = this.#fates.get(id);
    this.#fates.delete(id);
    return fate;
  }
}

/** What the queue of commands has to know of what the shard was told. */
export function wordForCommands(
  message: ShardMessage,
  machine: ShardState,
): CommandInput | undefined {
  if (message.type === 'ended') return { type: machine.phase === 'failed' ? 'failed' : 'down' };
  if (message.type !== 'report') return undefined;
  const { report, generation } = message;
  // What an older connection has written is written all the same; nothing else of it counts.
  if (generation !== machine.generation && report.kind !== 'written') return undefined;
  switch (report.kind) {
    case 'written':
      return { type: 'written', id: report.id };
    case 'unwritten':
      return { type: 'unwritten', id: report.id, retryInMs: report.retryInMs };
    case 'members-limited':
      return { ...report, type: 'limited' };
    case 'ready':
    case 'resumed':
      return { type: 'live' };
    default:
      return undefined;
  }
}
