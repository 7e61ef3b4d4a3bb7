/**
 * Reads an answer's body as a whole, within a size and a time.
 *
 * Throws AnswerBodyError, and has discarded the rest by then, so that the connection is free again.
 */
import { AnswerBodyError } from '../../protocols/errors.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { RestAnswer } from '../../protocols/proxy.ts';

export type BodyBounds = {
  readonly maxBytes: number;
  /** How long the reading may take; null for as long as the body keeps coming. */
  readonly withinMs: number | null;
};

export async function readAnswerBody(
  answer: RestAnswer,
  bounds: BodyBounds,
  clock: Clock,
): Promise<Uint8Array> {
  const { withinMs } = bounds;
  if (withinMs === null) return collect(answer, bounds.maxBytes);
  let cancel = (): void => {};
  const late = new Promise<never>((_resolve, reject) => {
    const timer = clock.setTimer(Math.max(0, withinMs), () => {
      answer.discard();
      reject(new AnswerBodyError('the body of the answer came too late', { late: true }));
    });
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([collect(answer, bounds.maxBytes), late]);
  } finally {
    cancel();
  }
}

async function collect(answer: RestAnswer, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      // Leaving the loop by a throw also ends the stream that the chunks come from.
      if (bytes > maxBytes)
        throw new AnswerBodyError(`the answer is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof AnswerBodyError) throw error;
    throw new AnswerBodyError('the body of the answer ended early', { cause: error });
  }
  return Buffer.concat(chunks);
}
