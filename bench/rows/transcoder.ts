/** The data of an event from JSON to MessagePack: ours, and what would be written without it. */
import { Packr } from 'msgpackr';
import { payloadEncoder } from '../../protocols/wire/payload.ts';
import type { Row } from '../row.ts';
import { messageRing } from '../source/streams.ts';

const FACTS = { event: 'MESSAGE_CREATE', shard: 0, sequence: 1 };
const DATA_FIELD = '"d":';

/** Of every frame the range of its data. */
function dataRing(): readonly Buffer[] {
  return messageRing().map((frame) =>
    frame.subarray(frame.indexOf(DATA_FIELD) + DATA_FIELD.length, frame.length - 1),
  );
}

function transcoder(name: string, about: string, prepare: () => (data: Buffer) => number): Row {
  return {
    name,
    about,
    topic: 'part',
    figures: ['full', 'heap'],
    async setup() {
      const ring = dataRing();
      const pack = prepare();
      return {
        async run(events) {
          for (let index = 0; index < events; index++) {
            const bytes = pack(ring[index % ring.length] as Buffer);
            if (bytes < DATA_FIELD.length) throw new Error('nothing was packed');
          }
        },
        stop: async () => undefined,
      };
    },
  };
}

function prepareOurs(): (data: Buffer) => number {
  const encoder = payloadEncoder('map');
  const target = Buffer.allocUnsafeSlow(encoder.maxBytes(2 ** 12));
  return (data) => encoder.write(data, 0, data.length, target, 0, FACTS);
}

function prepareTheirs(): (data: Buffer) => number {
  const packr = new Packr({ useRecords: false });
  return (data) => packr.pack(JSON.parse(data.toString())).length;
}

export const rows: readonly Row[] = [
  transcoder('transcoder', 'payload map: from JSON to MessagePack, bytes to bytes', prepareOurs),
  transcoder('parse and msgpackr', 'the same by JSON.parse and msgpackr', prepareTheirs),
];
