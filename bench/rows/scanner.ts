/** The frame scanner alone, on frames that lie in memory. */
import { FrameScanner } from '../../protocols/gateway/frame-scanner.ts';
import type { Row } from '../row.ts';
import { FRAME_BYTES } from '../source/messages.ts';
import { messageRing } from '../source/streams.ts';

/** In every frame of the ring the data ends before the closing brace of the frame. */
const DATA_END = FRAME_BYTES - 1;

const scanner: Row = {
  name: 'frame scanner',
  about: 'finds op, t, s and the range of d in 1 KB',
  topic: 'part',
  figures: ['full', 'heap'],
  async setup() {
    const ring = messageRing();
    const scan = new FrameScanner();
    return {
      async run(events) {
        for (let index = 0; index < events; index++) {
          const frame = ring[index % ring.length] as Buffer;
          if (!scan.scan(frame, 0, frame.length) || scan.op !== 0 || scan.dataEnd !== DATA_END) {
            throw new Error('a frame was not read right');
          }
        }
      },
      stop: async () => undefined,
    };
  },
};

export const rows: readonly Row[] = [scanner];
