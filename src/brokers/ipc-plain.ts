/**
 * Plain messages over an IPC channel as frames: how a parent that uses `@spectacles/brokers`, or
 * any program that sends `{ event, data }`, is spoken to.
 *
 * The channel cannot be told to wait, so a queue that is full drops its oldest message. An event
 * counts as confirmed when the operating system has taken it.
 */
import type { Confirms, EventSink } from '../../actors/channel/link.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import { type Frame, NIL_BODY, textBody } from '../../protocols/wire/frame.ts';
import { readPlainMessage, writePlainMessage } from '../../protocols/wire/ipc.ts';
import type { IpcPort } from './ipc-port.ts';
import type { FrameReader } from './peer-inbox.ts';
import type { FrameWriter } from './peer-link.ts';

function plainSink(port: IpcPort, confirms: Confirms): EventSink {
  const names: string[] = [];
  return {
    prepare(route, event) {
      names[route] = event;
    },
    send(route, source, start, end) {
      const event = names[route];
      if (event === undefined || !port.isConnected) return false;
      const body = start === end ? NIL_BODY : textBody(source.subarray(start, end));
      port.send(writePlainMessage({ event, body }), (error) => confirms.settleOldest(!error));
      return true;
    },
  };
}

export function plainReader(port: IpcPort): FrameReader {
  return {
    label: 'the IPC channel',
    canWait: false,
    read: (events) =>
      port.listen({
        message(value) {
          const frame = readPlainMessage(value);
          if (frame) events.frame(frame);
        },
        gone: () => events.ended(),
      }),
    pause: () => undefined,
    resume: () => undefined,
  };
}

export function plainWriter(port: IpcPort, confirms: Confirms): FrameWriter {
  let stopListening: () => void = () => undefined;
  return {
    sink: plainSink(port, confirms),
    send: (frame: Frame) =>
      new Promise((resolve, reject) => {
        port.send(writePlainMessage(frame), (error) => {
          if (error) reject(new BrokerUnavailableError(`the IPC channel: ${error.message}`));
          else resolve();
        });
      }),
    flush: () => undefined,
    watch(lost) {
      const gone = () => lost(new FatalError('the process at the other end is gone'));
      stopListening = port.listen({ message: () => undefined, gone });
    },
    stop: () => stopListening(),
  };
}
