import { describe, expect, it } from 'vitest';
import { Intake } from '../../actors/connection/intake.ts';
import type { Decompressor, DispatchPlane, Taken } from '../../actors/connection/ports.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import type { ConnectionMessage } from '../../protocols/gateway/messages.ts';
import { HELD_MAX_BYTES, HELD_OVERHEAD_BYTES } from '../../protocols/limits.ts';

/**
 * An intake between a decompressor with one buffer, as the real ones have, and a plane that is told
 * what to do.
 */
function createBench() {
  const told: ConnectionMessage[] = [];
  const offered: string[] = [];
  const shared = Buffer.alloc(64);
  let closed = 0;
  const decompressor: Decompressor = {
    push: (chunk) => {
      if (chunk[0] === 0xff) throw new GarbledStreamError('no stream');
      shared.set(chunk);
      return shared.subarray(0, chunk.length);
    },
    close: () => {
      closed++;
    },
  };
  const plane: DispatchPlane & { answer: Taken } = {
    answer: 'event',
    take(message) {
      offered.push(Buffer.from(message).toString());
      return this.answer;
    },
    onceRoom: () => {},
    sequence: null,
    frames: 0,
    dispatches: 0,
  };
  const owner = {
    path: 'connection',
    tell: (message: ConnectionMessage) => void told.push(message),
  };
  const intake = new Intake(decompressor, plane, owner);
  return { intake, plane, told, offered, shared, closes: () => closed };
}

describe('the intake', () => {
  it('offers again what was refused, as it was, and then what came behind it, in order', () => {
    const { intake, plane, offered, shared, told } = createBench();
    plane.answer = 'refused';
    intake.take(Buffer.from('first'));
    const socketBuffer = Buffer.from('second');
    intake.take(socketBuffer);
    intake.take(Buffer.from('third'));
    expect(told).toEqual([{ type: 'held' }]);
    // The buffers are used again meanwhile: by other connections, and by the socket.
    shared.fill('x');
    socketBuffer.fill('y');
    plane.answer = 'event';
    expect(intake.drain()).toBe(true);
    expect(offered).toEqual(['first', 'first', 'second', 'third']);
  });

  it('bounds what it holds back, messages without a byte included', () => {
    for (const size of [0, 1000]) {
      const { intake, plane, told, offered, closes } = createBench();
      plane.answer = 'refused';
      intake.take(Buffer.from('first'));
      const fits = Math.floor(HELD_MAX_BYTES / (size + HELD_OVERHEAD_BYTES));
      for (let count = 0; count < fits; count++) intake.take(Buffer.alloc(size));
      expect(told).toEqual([{ type: 'held' }]);
      intake.take(Buffer.alloc(size));
      expect(told.at(-1)).toEqual({ type: 'replay' });
      expect(closes()).toBe(1);
      expect(intake.drain()).toBe(true);
      expect(offered).toEqual(['first']);
    }
  });

  it('takes nothing after a stream that cannot be read, and frees its context', () => {
    const { intake, told, offered, closes } = createBench();
    intake.take(Buffer.from('first'));
    intake.take(Buffer.of(0xff));
    intake.take(Buffer.from('third'));
    expect(told).toEqual([{ type: 'garbled', detail: 'no stream' }]);
    expect(offered).toEqual(['first']);
    expect(closes()).toBe(1);
  });

  it('hands on what is thrown on the way of a message as a fault, and does not throw', () => {
    const { intake, plane, told } = createBench();
    const error = new TypeError('a programming error');
    plane.take = () => {
      throw error;
    };
    intake.take(Buffer.from('first'));
    expect(told).toEqual([{ type: 'fault', error }]);
  });
});
