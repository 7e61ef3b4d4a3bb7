/**
 * Remembers which requests were carried out, so that a repeat of the same message is answered and
 * not sent again.
 *
 * A broker that has lost its link delivers anew what was not acknowledged, also to the very process
 * that is still at work on it. The repeat then gets the answer of the first. A message counts as
 * the same when its sender's id and its content are: ids alone are not unique with every client.
 *
 * At RPC_ANSWERS_MAX, or RPC_ANSWERS_MAX_BYTES, the oldest answers are forgotten; those still in
 * the making never are, their number is bounded by the prefetch. One that is larger by itself is
 * not kept.
 */
import { createHash } from 'node:crypto';
import type { Delivery } from '../../protocols/broker.ts';
import { RPC_ANSWERS_MAX, RPC_ANSWERS_MAX_BYTES } from '../../protocols/limits.ts';

/** An encoded answer; null for a request that is handed back for another proxy. */
export type Answering = Promise<Uint8Array | null>;

export class AnswerMemory {
  readonly #making = new Map<string, Answering>();
  readonly #kept = new Map<string, Uint8Array>();
  #keptBytes = 0;

  /**
   * The answer to the delivery: one that is known or in the making, or else what `make` comes to.
   */
  answer(delivery: Delivery, make: () => Answering): Answering {
    if (delivery.id === undefined) return make();
    const key = createHash('sha256').update(`${delivery.id}\n`).update(delivery.body).digest('hex');
    const kept = this.#kept.get(key);
    if (kept !== undefined) return Promise.resolve(kept);
    const making = this.#making.get(key);
    if (making !== undefined) return making;
    const answering = make().finally(() => this.#making.delete(key));
    this.#making.set(key, answering);
    return answering.then((answer) => {
      if (answer !== null) this.#keep(key, answer);
      return answer;
    });
  }

  #keep(key: string, answer: Uint8Array): void {
    if (answer.length > RPC_ANSWERS_MAX_BYTES) return;
    // A copy: MessagePack is written into a buffer of about twice its size, which would stay too.
    this.#kept.set(key, new Uint8Array(answer));
    this.#keptBytes += answer.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#kept.size <= RPC_ANSWERS_MAX && this.#keptBytes <= RPC_ANSWERS_MAX_BYTES) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= length;
    }
  }
}
