/**
 * The connection actor: runs the connection machine on a socket.
 *
 * It opens the socket at start and owns it: whatever way the actor ends, its cleanup destroys the
 * socket, so a shard never has two (GP-16). What arrives on it takes the intake's way, past the
 * mailbox.
 */
import { GatewayOpcodes } from 'discord-api-types/v10';
import type { ActorRef } from '../../protocols/actor.ts';
import {
  heartbeatFrame,
  type Identity,
  identifyFrame,
  resumeFrame,
} from '../../protocols/gateway/frames.ts';
import type {
  ConnectionMessage,
  ConnectionReport,
  ShardMessage,
} from '../../protocols/gateway/messages.ts';
import { CLOSE_TIMEOUT_MS, COMMAND_RETRY_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import { RESUMABLE_CLOSE_CODE } from './ending.ts';
import { Intake } from './intake.ts';
import { openConnection, stepConnection } from './machine.ts';
import type { Decompressor, DispatchPlane, Socket, SocketFactory } from './ports.ts';
import type { ConnectionEffect, ConnectionState } from './state.ts';

export type ConnectionOptions = {
  readonly url: string;
  readonly generation: number;
  readonly shard: number;
  readonly shardCount: number;
  readonly identity: Identity;
  /** The text of the presence that was set last, for an IDENTIFY. */
  readonly presence: () => string | undefined;
  readonly sockets: SocketFactory;
  /** Made anew for each connection (GP-72). */
  readonly decompressor: Decompressor;
  readonly plane: DispatchPlane;
  readonly owner: ActorRef<ShardMessage>;
  /** Told of each frame that was written to the socket. */
  readonly onSent: (op: number) => void;
};

type Shell = {
  machine: ConnectionState;
  readonly socket: Socket;
  readonly clock: Clock;
  /** Resolves when the socket has said its last word. */
  readonly gone: Promise<void>;
  readonly intake: Intake;
};

export function connection(options: ConnectionOptions): Behaviour<Shell, ConnectionMessage> {
  return {
    start(context) {
      const step = openConnection();
      const intake = new Intake(options.decompressor, options.plane, context.self);
      const { socket, gone } = openSocket(options, context, intake);
      const shell = { machine: step.state, socket, clock: context.clock, gone, intake };
      run(step.effects, shell, options, context);
      return shell;
    },

    receive(shell, message, context) {
      const step = stepConnection(shell.machine, message, {
        nowMs: context.clock.nowMs(),
        random: context.random(),
        frames: options.plane.frames,
        dispatches: options.plane.dispatches,
      });
      shell.machine = step.state;
      run(step.effects, shell, options, context);
      return shell;
    },

    /** A connection that is stopped from outside closes so that its session lives (GP-69). */
    async stop(shell) {
      if (shell.machine.phase === 'ended') {
        shell.socket.terminate();
        return;
      }
      closeSocket(shell, RESUMABLE_CLOSE_CODE);
      const timer = shell.clock.setTimer(CLOSE_TIMEOUT_MS, () => shell.socket.terminate());
      await shell.gone;
      shell.intake.close();
      timer.cancel();
    },
  };
}

function openSocket(
  options: ConnectionOptions,
  context: ActorContext<ConnectionMessage>,
  intake: Intake,
): Pick<Shell, 'socket' | 'gone'> {
  const { self } = context;
  let finish: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const socket = options.sockets.open(options.url, {
    open: () => self.tell({ type: 'opened' }),
    message: (data) => intake.take(data),
    close: (code, reason) => {
      self.tell({ type: 'closed', code, detail: reason });
      finish();
    },
    failed: (reason) => {
      self.tell({ type: 'unreachable', detail: reason });
      finish();
    },
  });
  return { socket, gone };
}

/** A socket that is not read would not see the answer to its close frame. */
function closeSocket({ socket }: Shell, code: number): void {
  socket.close(code, '');
  socket.resume();
}

function run(
  effects: readonly ConnectionEffect[],
  shell: Shell,
  options: ConnectionOptions,
  context: ActorContext<ConnectionMessage>,
): void {
  for (const effect of effects) runEffect(effect, shell, options, context);
}

function runEffect(
  effect: ConnectionEffect,
  shell: Shell,
  options: ConnectionOptions,
  context: ActorContext<ConnectionMessage>,
): void {
  const { identity, generation, shard, shardCount, plane, owner } = options;
  const { socket } = shell;
  switch (effect.type) {
    case 'send-heartbeat':
      send(socket, GatewayOpcodes.Heartbeat, heartbeatFrame(plane.sequence), options);
      break;
    case 'send-identify':
      send(
        socket,
        GatewayOpcodes.Identify,
        identifyFrame(identity, shard, shardCount, options.presence()),
        options,
      );
      break;
    case 'send-resume':
      send(socket, GatewayOpcodes.Resume, resumeFrame(identity, effect.session), options);
      break;
    case 'send-command':
      sendCommand(effect, socket, options);
      break;
    case 'close':
      closeSocket(shell, effect.code);
      break;
    case 'terminate':
      socket.terminate();
      break;
    case 'arm':
      context.after(effect.timer, effect.delayMs, { type: effect.timer });
      break;
    case 'disarm':
      context.cancel(effect.timer);
      break;
    case 'report':
      owner.tell({ type: 'report', generation, report: effect.report });
      break;
    case 'pause':
      socket.pause();
      break;
    case 'drain':
      if (shell.intake.drain()) context.self.tell({ type: 'released' });
      break;
    case 'resume-reading':
      socket.resume();
      break;
    case 'end':
      shell.intake.close();
      context.finish(shell.machine.ending);
      break;
  }
}

function send(socket: Socket, op: number, text: string, options: ConnectionOptions): void {
  socket.send(text, (isWritten) => {
    if (isWritten) options.onSent(op);
  });
}

/**
 * Whoever waits for the command is told in the very moment of writing: a stop may come right after.
 */
function sendCommand(
  { id, command, done }: Extract<ConnectionEffect, { type: 'send-command' }>,
  socket: Socket,
  { owner, generation, onSent }: ConnectionOptions,
): void {
  socket.send(command.text, (isWritten) => {
    if (isWritten) {
      done?.ok(undefined);
      onSent(command.op);
    }
    const report: ConnectionReport = isWritten
      ? { kind: 'written', id }
      : { kind: 'unwritten', id, retryInMs: COMMAND_RETRY_MS };
    owner.tell({ type: 'report', generation, report });
  });
}
