/**
 * The data plane of a shard without sockets or a broker: scan, look-up, cursor, writer, confirm.
 *
 * The sink takes every event and copies none; what it was given is confirmed in batches, as brokers
 * do.
 */
import { ChannelWriter } from '../../actors/channel/writer.ts';
import { ShardPlane } from '../../actors/shard/dispatch-plane.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type { Row } from '../row.ts';
import {
  READY_SEQUENCE,
  readyFrame,
  SEQUENCE_MAX,
  sequenceOffsets,
  writeSequence,
} from '../source/messages.ts';
import { messageRing } from '../source/streams.ts';

const CONFIRMED_AT_ONCE = 64;

const shardPlane: Row = {
  name: 'shard plane',
  about: 'scan, look-up, cursor, writer and confirm of a 1 KB frame',
  topic: 'part',
  figures: ['full', 'heap'],
  async setup() {
    const ring = messageRing();
    const [sequenceAt] = sequenceOffsets(ring[0] as Buffer);
    const fault = (error: unknown): never => {
      throw error;
    };
    const writer = new ChannelWriter(fault);
    let sent = 0;
    writer.open({
      prepare: () => undefined,
      send: () => {
        sent++;
        return true;
      },
    });
    const table = new EventTable(DISPATCH_EVENTS, (name) => writer.route(name));
    const counter = { dispatch: () => undefined, control: () => undefined };
    const plane = new ShardPlane(0, writer, table, counter, () => fault(new Error('lost')));
    const confirm = () => {
      while (writer.outstanding > 0) writer.settleOldest(true);
    };
    const begin = () => {
      plane.restore(undefined);
      plane.take(Buffer.from(readyFrame('ws://127.0.0.1')));
      confirm();
    };
    begin();
    return {
      async run(events) {
        const target = sent + events;
        for (let index = 0; index < events; index++) {
          const frame = ring[index % ring.length] as Buffer;
          const sequence = (plane.sequence ?? READY_SEQUENCE) + 1;
          writeSequence(sequence, frame, sequenceAt);
          if (plane.take(frame) !== 'event') throw new Error('a frame was not taken');
          if (index % CONFIRMED_AT_ONCE === 0) confirm();
          // The number must keep its digits: the next session, then.
          if (sequence === SEQUENCE_MAX) begin();
        }
        confirm();
        if (sent < target) throw new Error('the writer was passed by');
      },
      stop: async () => undefined,
    };
  },
};

export const rows: readonly Row[] = [shardPlane];
