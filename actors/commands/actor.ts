/**
 * The commands actor: from a message on the broker to the shard that sends it, and back to whoever
 * asked.
 *
 * Purpose: each command has one fate. It is sent, refused with a reason, or handed back to the
 * broker for another gateway; whoever waits for an answer is told, and the delivery is settled at
 * that moment.
 *
 * Inner workings: SEND is consumed by every gateway of the group, so a command may arrive where its
 * shard is not. It is then published under the shard's own event, which only the shard's owner
 * consumes, and the owner's answer is passed on. A shard of this process is asked; the runtime
 * answers for one that ends without an answer, and its next incarnation is asked instead; what a
 * shard did not send that a newer process has taken is handed back. Nothing here waits: a shard
 * that is slow keeps its own commands and nobody else's.
 *
 * Failure: when a shard crashes in the moment of writing, or the broker is lost before a command
 * was settled, it may be sent twice. However this actor ends, what it has taken is settled: at once
 * when its fate is known or nobody is being asked, and when the answer comes otherwise.
 */
import type { ActorRef, Exit } from '../../protocols/actor.ts';
import type { Delivery } from '../../protocols/broker.ts';
import {
  ActorStoppedError,
  AskTimeoutError,
  CallTimeoutError,
  CommandRefusedError,
  PeerGoneError,
  UnroutableError,
} from '../../protocols/errors.ts';
import {
  type AddressedCommand,
  type CommandAnswer,
  readCommand,
} from '../../protocols/gateway/commands.ts';
import type {
  CommandFate,
  CommandsMessage,
  ShardMessage,
} from '../../protocols/gateway/messages.ts';
import {
  COMMAND_FORWARD_MAX_MS,
  COMMAND_RETRY_MS,
  COMMAND_WAIT_MAX_MS,
  COMMAND_WRITE_MAX_MS,
} from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import { encodeAnswer, encodeBody, isJsonText } from '../../protocols/wire/body.ts';
import { type ActorContext, ask, type Behaviour } from '../runtime.ts';
import { admitCommand, type CommandsState, NO_COMMANDS, settleCommand } from './machine.ts';
import type { CommandsWorld } from './ports.ts';

/** A command that is not settled. */
type Open = AddressedCommand & {
  readonly delivery: Delivery;
  readonly expiresAtMs: number;
  readonly way: 'shard' | 'forward';
  /** What became of the last attempt; undefined while one is under way. */
  known: CommandFate | undefined;
};

type Shell = {
  machine: CommandsState;
  /** No more entries than the machine admits. */
  readonly open: Map<number, Open>;
  lastId: number;
  /** The questions to shards that are not answered. */
  readonly asked: Set<Promise<void>>;
  readonly log: Log;
  isOver: boolean;
};

type Context = ActorContext<CommandsMessage>;

export function commands(world: CommandsWorld): Behaviour<Shell, CommandsMessage> {
  return {
    start(context) {
      context.self.tell({ type: 'deliveries' });
      const { log } = context;
      const asked = new Set<Promise<void>>();
      return { machine: NO_COMMANDS, open: new Map(), lastId: 0, asked, log, isOver: false };
    },

    receive(shell, message, context) {
      switch (message.type) {
        case 'deliveries':
          takeAll(shell, world, context);
          break;
        case 'again':
          attempt(message.id, shell, world, context);
          break;
        case 'settled':
          settle(message.id, message.fate, shell, world, context);
          break;
      }
      return shell;
    },

    /**
     * The shards stop at the same time: what they have not sent is handed back, and nothing else.
     */
    async stop(shell, exit: Exit) {
      shell.isOver = true;
      for (const open of shell.open.values()) {
        if (open.known !== undefined) conclude(open, open.known, world, shell.log);
      }
      // The next incarnation takes what this one has not looked at.
      if (exit.kind === 'crashed') return;
      for (const delivery of world.inbox.splice(0)) delivery.retry();
      await Promise.allSettled(shell.asked);
    },
  };
}

/**
 * One after the other, so that what stands behind one that crashes this actor waits for the next.
 */
function takeAll(shell: Shell, world: CommandsWorld, context: Context): void {
  for (;;) {
    const delivery = world.inbox.shift();
    if (delivery === undefined) return;
    try {
      take(delivery, shell, world, context);
    } catch (error) {
      // To look at it again would be to crash again.
      delivery.reject('the gateway failed over it');
      throw error;
    }
  }
}

function take(delivery: Delivery, shell: Shell, world: CommandsWorld, context: Context): void {
  const { shardCount, owned, fenced, others } = world;
  let addressed: AddressedCommand;
  try {
    addressed = readCommand(delivery.event, delivery.body, shardCount);
  } catch (error) {
    if (!(error instanceof CommandRefusedError)) throw error;
    refuse(delivery, error, world, context.log);
    return;
  }
  const { shard } = addressed;
  const isDirect = delivery.event === String(shard);
  const leadsToOthers = others !== undefined;
  const routes = { owned, fenced, leadsToOthers };
  const { state, way } = admitCommand(shell.machine, { shard, isDirect }, routes);
  shell.machine = state;
  if (way.kind === 'hand-back') {
    handBack(delivery, world);
    return;
  }
  if (way.kind === 'refuse') {
    refuse(delivery, way.error, world, context.log);
    return;
  }
  const id = ++shell.lastId;
  const expiresAtMs = context.clock.nowMs() + COMMAND_WAIT_MAX_MS;
  shell.open.set(id, { ...addressed, delivery, expiresAtMs, way: way.kind, known: undefined });
  attempt(id, shell, world, context);
}

function attempt(id: number, shell: Shell, world: CommandsWorld, context: Context): void {
  const open = shell.open.get(id);
  if (open === undefined) return;
  const isForShard = open.way === 'shard';
  open.known = undefined;
  const fate = isForShard ? askShard(open, world, context) : forward(open, world);
  const told = fate.then((known) => {
    shell.asked.delete(told);
    open.known = known;
    // An actor that is over is told nothing; the sender still has to be.
    if (shell.isOver) conclude(open, known, world, context.log);
    else context.self.tell({ type: 'settled', id, fate: known });
  });
  if (isForShard) shell.asked.add(told);
}

function settle(
  id: number,
  fate: CommandFate,
  shell: Shell,
  world: CommandsWorld,
  context: Context,
): void {
  const open = shell.open.get(id);
  if (open === undefined) return;
  const mayComeBack = !world.fenced.has(open.shard) && context.clock.nowMs() < open.expiresAtMs;
  if (fate.kind === 'shard-lost' && mayComeBack) {
    context.after(`again-${id}`, COMMAND_RETRY_MS, { type: 'again', id });
    return;
  }
  shell.open.delete(id);
  shell.machine = settleCommand(shell.machine, open.shard);
  conclude(open, fate, world, context.log);
}

async function askShard(
  { shard, command, expiresAtMs }: Open,
  world: CommandsWorld,
  { clock }: Context,
): Promise<CommandFate> {
  const actor: ActorRef<ShardMessage> | undefined = world.shard(shard);
  if (actor === undefined) return { kind: 'shard-lost' };
  const timeoutMs = Math.max(0, expiresAtMs - clock.nowMs()) + COMMAND_WRITE_MAX_MS;
  try {
    await ask<ShardMessage, void>(
      actor,
      (fate) => ({ type: 'command', command, expiresAtMs, fate }),
      timeoutMs,
    );
    return { kind: 'sent' };
  } catch (error) {
    return fateOf(error, shard);
  }
}

async function forward(
  { shard, command, delivery }: Open,
  { others }: CommandsWorld,
): Promise<CommandFate> {
  const event = String(shard);
  // In its sender's encoding, since the answer comes in it.
  const body = isJsonText(delivery.body) ? Buffer.from(command.text) : encodeBody(command.text);
  try {
    if (delivery.wantsReply) {
      const options = { timeoutMs: COMMAND_FORWARD_MAX_MS, mandatory: true };
      return { kind: 'forwarded', answer: await others?.call(event, body, options) };
    }
    await others?.publish(event, body, { mandatory: true, expirationMs: COMMAND_WAIT_MAX_MS });
    return { kind: 'forwarded', answer: undefined };
  } catch (error) {
    return fateOf(error, shard);
  }
}

function fateOf(error: unknown, shard: number): CommandFate {
  if (error instanceof CommandRefusedError) return { kind: 'refused', error };
  if (error instanceof ActorStoppedError) return { kind: 'shard-lost' };
  if (error instanceof UnroutableError) {
    const message = `no gateway of this group has shard ${shard}`;
    return { kind: 'refused', error: new CommandRefusedError('unowned', message) };
  }
  const isUnknown =
    error instanceof AskTimeoutError ||
    error instanceof CallTimeoutError ||
    error instanceof PeerGoneError;
  if (!isUnknown) return { kind: 'handed-back' };
  const message = `nobody knows whether shard ${shard} has sent it: ${error.message}`;
  return { kind: 'refused', error: new CommandRefusedError('unknown', message) };
}

/** Tells whoever waits, and settles the delivery. */
function conclude(
  { delivery, shard }: Open,
  fate: CommandFate,
  world: CommandsWorld,
  log: Log,
): void {
  const { onOutcome } = world;
  switch (fate.kind) {
    case 'sent':
      onOutcome('sent');
      answer(delivery, encode({ status: 'sent', shard }, delivery), log);
      delivery.ack();
      break;
    case 'forwarded':
      onOutcome('forwarded');
      if (fate.answer !== undefined) answer(delivery, fate.answer, log);
      delivery.ack();
      break;
    case 'handed-back':
    case 'shard-lost':
      handBack(delivery, world);
      break;
    case 'refused':
      refuse(delivery, fate.error, world, log);
      break;
  }
}

function handBack(delivery: Delivery, { onOutcome }: CommandsWorld): void {
  onOutcome('handed-back');
  delivery.retry();
}

function refuse(
  delivery: Delivery,
  { reason, message }: CommandRefusedError,
  { onOutcome }: CommandsWorld,
  log: Log,
): void {
  onOutcome(reason);
  answer(delivery, encode({ status: 'refused', reason, message }, delivery), log);
  log.warn({ event: delivery.event, reason, message }, 'a command was refused');
  delivery.reject(message);
}

function encode(value: CommandAnswer, { body }: Delivery): Uint8Array {
  return encodeAnswer(value, body);
}

function answer(delivery: Delivery, body: Uint8Array, log: Log): void {
  if (!delivery.wantsReply) return;
  delivery.reply(body).catch((error: unknown) => {
    log.warn({ error }, 'what became of a command could not be told to its sender');
  });
}
