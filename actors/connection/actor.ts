/**
 * The connection actor: runs the connection machine on a socket.
 *
 * It opens the socket at start and owns it: whatever way the actor ends, its cleanup destroys the
 * socket, so a shard never has two (GP-16). What arrives goes through the decompressor and the data
 * plane within the socket's own callback; only control frames, ends and faults become messages.
 *
 * Failure: a stream that cannot be read is reported to the machine as `garbled`. Anything else that is
 * thrown in the callback is a programming error, and becomes a crash of this actor, not of the process.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import {
  heartbeatFrame,
  type Identity,
  identifyFrame,
  resumeFrame,
} from '../../protocols/gateway/frames.ts';
import type { ConnectionMessage, ShardMessage } from '../../protocols/gateway/messages.ts';
import { CLOSE_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import {
  type ConnectionEffect,
  type ConnectionState,
  openConnection,
  RESUMABLE_CLOSE_CODE,
  stepConnection,
} from './machine.ts';
import type { Decompressor, DispatchPlane, Socket, SocketFactory } from './ports.ts';

export type ConnectionOptions = {
  readonly url: string;
  readonly generation: number;
  readonly shard: number;
  readonly shardCount: number;
  readonly identity: Identity;
  readonly sockets: SocketFactory;
  /** Made anew for each connection (GP-72). */
  readonly decompressor: Decompressor;
  readonly plane: DispatchPlane;
  readonly owner: ActorRef<ShardMessage>;
  /** Told of each frame that was handed to the socket. */
  readonly onSent: (op: number) => void;
};

type Shell = {
  machine: ConnectionState;
  readonly socket: Socket;
  readonly clock: Clock;
  /** Resolves when the socket has said its last word. */
  readonly gone: Promise<void>;
  /** Whether what arrives is still taken; the plane lives on, for the next connection. */
  readonly ears: { deaf: boolean };
};

export function connection(options: ConnectionOptions): Behaviour<Shell, ConnectionMessage> {
  return {
    start(context) {
      const step = openConnection();
      const { socket, gone, ears } = openSocket(options, context);
      const shell = { machine: step.state, socket, clock: context.clock, gone, ears };
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
      shell.socket.close(RESUMABLE_CLOSE_CODE, '');
      const timer = shell.clock.setTimer(CLOSE_TIMEOUT_MS, () => shell.socket.terminate());
      await shell.gone;
      shell.ears.deaf = true;
      timer.cancel();
    },
  };
}

function openSocket(
  options: ConnectionOptions,
  context: ActorContext<ConnectionMessage>,
): Pick<Shell, 'socket' | 'gone' | 'ears'> {
  const { self } = context;
  let finish: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const ears = { deaf: false };
  const socket = options.sockets.open(options.url, {
    open: () => self.tell({ type: 'opened' }),
    message: (data) => {
      // After a frame that could not be used nothing may be taken: the next connection is sent it again.
      if (!ears.deaf) ears.deaf = !receiveData(data, options, self);
    },
    close: (code, reason) => {
      self.tell({ type: 'closed', code, detail: reason });
      finish();
    },
    failed: (reason) => {
      self.tell({ type: 'unreachable', detail: reason });
      finish();
    },
  });
  return { socket, gone, ears };
}

/**
 * The data plane's entry: everything here happens in the socket's callback.
 * @returns whether the connection can take what comes next
 */
function receiveData(
  data: Uint8Array,
  options: ConnectionOptions,
  self: ActorRef<ConnectionMessage>,
): boolean {
  try {
    const message = options.decompressor.push(data);
    if (message === undefined) return true;
    const taken = options.plane.take(message);
    if (taken === 'event') return true;
    if (typeof taken === 'object' && 'frame' in taken) {
      self.tell({ type: 'frame', frame: taken.frame });
      return true;
    }
    self.tell(
      taken === 'refused' ? { type: 'replay' } : { type: 'garbled', detail: taken.garbled },
    );
  } catch (error) {
    if (error instanceof GarbledStreamError) self.tell({ type: 'garbled', detail: error.message });
    else self.tell({ type: 'fault', error });
  }
  return false;
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
      send(socket, heartbeatFrame(plane.sequence), 1, options);
      break;
    case 'send-identify':
      send(socket, identifyFrame(identity, shard, shardCount), 2, options);
      break;
    case 'send-resume':
      send(socket, resumeFrame(identity, effect.session), 6, options);
      break;
    case 'close':
      socket.close(effect.code, '');
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
    case 'end':
      shell.ears.deaf = true;
      context.finish(shell.machine.ending);
      break;
  }
}

function send(socket: Socket, text: string, op: number, options: ConnectionOptions): void {
  socket.send(text);
  options.onSent(op);
}
