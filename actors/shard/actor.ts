/**
 * The shard actor: runs the shard machine, and supervises exactly one connection.
 *
 * Commands wait on a desk of their own, beside the machine.
 *
 * Two processes with one shard would take its session from each other for ever. The one whose claim
 * is the older ends its shard as soon as it hears of the other: it closes as for any resume, and
 * the newer one has the session. This actor is then finished, and is not started again.
 *
 * The data plane and the session's cursor live as long as this actor; the connections come and go.
 * What must outlive the actor itself goes to the session store: when it becomes ready, now and then
 * while it is, and in the cleanup, so that a shard that crashed is rebuilt from its session with
 * nothing lost. One that is stopped waits, when its connection is closed, for the confirms of what
 * it has just handed over: else the next start would publish all of it again.
 */
import type { ActorRef, Exit } from '../../protocols/actor.ts';
import type { BrokerState } from '../../protocols/broker.ts';
import type {
  ConnectionEnd,
  ConnectionMessage,
  IdentifyMessage,
  SessionRecord,
  ShardMessage,
} from '../../protocols/gateway/messages.ts';
import {
  RESUME_URL_MAX_CHARACTERS,
  SESSION_SAVE_INTERVAL_MS,
  STOP_CONFIRM_MS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { connection } from '../connection/actor.ts';
import { within } from '../deadline.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import { CommandDesk, wordForCommands } from './command-desk.ts';
import { ShardPlane } from './dispatch-plane.ts';
import { startShard, stepShard } from './machine.ts';
import type { PresenceMemory, ShardWorld } from './ports.ts';
import type { MachineMessage, ShardEffect, ShardState } from './state.ts';

export type ShardOptions = {
  readonly shard: number;
  readonly world: ShardWorld;
  /** The present references and states, asked for at each start. */
  readonly governor: () => ActorRef<IdentifyMessage> | undefined;
  readonly broker: () => BrokerState;
  /** Outlives this actor. */
  readonly presence: PresenceMemory;
};

type Shell = {
  readonly options: ShardOptions;
  readonly clock: Clock;
  readonly plane: ShardPlane;
  machine: ShardState;
  connection: ActorRef<ConnectionMessage> | undefined;
  governor: ActorRef<IdentifyMessage> | undefined;
  readonly commands: CommandDesk;
};

const STOPPED: ConnectionEnd = { kind: 'crashed', detail: 'stopped from outside' };

export function shard(options: ShardOptions): Behaviour<Shell, ShardMessage> {
  return {
    start(context) {
      const { world } = options;
      const { self, clock } = context;
      const plane = new ShardPlane(options.shard, world.writer, world.events, world.counter, () =>
        self.tell({ type: 'lost' }),
      );
      world.sessions.onFenced(options.shard, (owner) => self.tell({ type: 'fenced', owner }));
      const stored = storedSession(options);
      plane.restore(stored);
      const step = startShard(stored, options.broker(), stored?.sequence);
      const governor = options.governor();
      const shell: Shell = {
        options,
        clock,
        plane,
        machine: step.state,
        connection: undefined,
        governor,
        commands: new CommandDesk(options.presence, () => shell.connection),
      };
      context.after('save', SESSION_SAVE_INTERVAL_MS, { type: 'save' });
      run(step.effects, shell, context);
      return shell;
    },

    receive(shell, message, context) {
      switch (message.type) {
        case 'save':
          save(shell);
          context.after('save', SESSION_SAVE_INTERVAL_MS, message);
          break;
        case 'commands-due':
          shell.commands.hear({ type: 'due' }, context);
          break;
        case 'command':
          shell.commands.take(message, context);
          if (shell.machine.phase === 'failed') shell.commands.hear({ type: 'failed' }, context);
          break;
        case 'fenced':
          options.world.onNotice(options.shard, { kind: 'fenced', owner: message.owner });
          context.finish('a newer process has the shard');
          break;
        default:
          takeStep(message, shell, context);
      }
      return shell;
    },

    async stop(shell, exit) {
      abandon(STOPPED, shell);
      save(shell);
      shell.governor?.tell({ type: 'release', shard: options.shard });
      if (exit.kind === 'stopped') await saveConfirmed(shell);
    },
  };
}

/** What the machine hears; the queue of commands hears of it afterwards. */
function takeStep(
  message: MachineMessage,
  shell: Shell,
  context: ActorContext<ShardMessage>,
): void {
  if (message.type === 'governor') shell.governor = message.governor;
  if (message.type === 'ended' && message.generation === shell.machine.generation) {
    abandon(message.end, shell);
  }
  const step = stepShard(shell.machine, message, context.random());
  shell.machine = step.state;
  run(step.effects, shell, context);
  const word = wordForCommands(message, shell.machine);
  if (word !== undefined) shell.commands.hear(word, context);
  if (message.type === 'ended') shell.commands.doubtPresence(message.end);
}

/** A session of another shard count routes other guilds, so it cannot be continued. */
function storedSession({ shard, world }: ShardOptions): SessionRecord | undefined {
  const record = world.sessions.load(shard);
  return record?.shardCount === world.shardCount ? record : undefined;
}

function run(
  effects: readonly ShardEffect[],
  shell: Shell,
  context: ActorContext<ShardMessage>,
): void {
  for (const effect of effects) runEffect(effect, shell, context);
}

function runEffect(effect: ShardEffect, shell: Shell, context: ActorContext<ShardMessage>): void {
  const { options } = shell;
  switch (effect.type) {
    case 'connect':
      shell.connection = connect(effect.generation, effect.host, shell, context);
      break;
    case 'identify':
      shell.connection?.tell({ type: 'identify' });
      break;
    case 'resume':
      resume(shell);
      break;
    case 'replay':
      shell.connection?.tell({ type: 'replay' });
      break;
    case 'governor':
      tellGovernor(effect.word, shell, context);
      break;
    case 'arm':
      context.after(effect.timer, effect.delayMs, { type: effect.timer });
      break;
    case 'disarm':
      context.cancel(effect.timer);
      break;
    case 'save':
      save(shell);
      break;
    case 'forget':
      forget(effect.end, shell);
      break;
    case 'notice':
      options.world.onNotice(options.shard, effect.notice);
      break;
  }
}

function connect(
  generation: number,
  host: 'main' | 'session',
  shell: Shell,
  context: ActorContext<ShardMessage>,
): ActorRef<ConnectionMessage> {
  const { options, plane } = shell;
  const { world } = options;
  const address = host === 'session' ? resumeUrlOf(shell) : world.mainUrl;
  const behaviour = connection({
    url: world.connectUrl(address),
    generation,
    shard: options.shard,
    shardCount: world.shardCount,
    identity: world.identity,
    presence: options.presence.last,
    sockets: world.sockets,
    decompressor: world.createDecompressor(),
    plane,
    owner: context.self,
    onSent: (op) => world.onSent(options.shard, op),
  });
  return context.spawn(`connection-${generation}`, behaviour, (exit) => ({
    type: 'ended',
    generation,
    end: endOf(exit),
    done: plane.cursor?.done ?? 0,
  }));
}

/** The connection finishes with a `ConnectionEnd`; any other exit is its crash. */
function endOf(exit: Exit): ConnectionEnd {
  if (exit.kind === 'finished') return exit.reason as ConnectionEnd;
  return exit.kind === 'crashed' ? { kind: 'crashed', detail: String(exit.error) } : STOPPED;
}

/** Discord is told how far all is done, and will send everything above that again. */
function resume(shell: Shell): void {
  shell.plane.cursor?.rewind();
  const session = record(shell);
  // The next incarnation of this actor starts from what is stored.
  if (session === undefined) throw new Error('there is no record of the session to be resumed');
  shell.connection?.tell({ type: 'resume', session });
}

function tellGovernor(
  word: 'request' | 'prepared' | 'used' | 'release',
  shell: Shell,
  context: ActorContext<ShardMessage>,
): void {
  const { shard } = shell.options;
  if (word === 'request') shell.governor?.tell({ type: 'request', shard, from: context.self });
  else shell.governor?.tell({ type: word, shard });
}

/**
 * A session whose READY did not come as far as here is nobody's, though events of it may have been
 * seen.
 */
function abandon(end: ConnectionEnd, shell: Shell): void {
  if (shell.machine.session === undefined && shell.plane.cursor !== undefined) forget(end, shell);
}

function forget(end: ConnectionEnd, { options, plane }: Shell): void {
  const { world, shard } = options;
  const { cursor } = plane;
  plane.restore(undefined);
  world.sessions.forget(shard);
  if (cursor === undefined) return;
  const { session: sessionId, done: sequence } = cursor;
  world.onNotice(shard, { kind: 'session-lost', end, sessionId, sequence });
}

function save(shell: Shell): void {
  const session = record(shell);
  if (session !== undefined) shell.options.world.sessions.save(shell.options.shard, session);
}

/** Saves once more when the broker has confirmed all, or has had its time for it. */
async function saveConfirmed(shell: Shell): Promise<void> {
  const { cursor } = shell.plane;
  const isAway = shell.options.broker() === 'away';
  if (cursor === undefined || cursor.unconfirmed === 0 || isAway) return;
  await within(shell.clock, STOP_CONFIRM_MS, cursor.settled());
  save(shell);
}

/** What would be resumed now; undefined when there is no session. */
function record(shell: Shell): SessionRecord | undefined {
  const { options, clock, plane, machine } = shell;
  const { cursor } = plane;
  if (machine.session === undefined || cursor?.session !== machine.session.sessionId)
    return undefined;
  return {
    sessionId: machine.session.sessionId,
    resumeUrl: resumeUrlOf(shell),
    sequence: cursor.done,
    shardCount: options.world.shardCount,
    savedAtEpochMs: clock.epochMs(),
  };
}

/** The session's own host; the main one if Discord has named none that can be used. */
function resumeUrlOf({ options, machine }: Shell): string {
  const address = machine.session?.resumeUrl ?? '';
  const isUsable =
    address.length <= RESUME_URL_MAX_CHARACTERS &&
    /^wss?:$/.test(URL.canParse(address) ? new URL(address).protocol : '');
  return isUsable ? address : options.world.mainUrl;
}
