/**
 * The questions put to one actor that have no answer yet.
 *
 * A question ends once: answered, failed, timed out, or given up because the actor is gone. nact's
 * own query is not used, since it has no failure reply and does not notice that its target stopped.
 */
import type { Reply } from '../../protocols/actor.ts';
import { AskTimeoutError, type SpectaclesError } from '../../protocols/errors.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import type { Envelope } from './envelope.ts';

/** An open question, whatever its answer's type. */
type OpenAsk = { taken: boolean; fail(error: SpectaclesError): void };

/** One question, and the right to answer it. */
class Ask<Value> implements Reply<Value> {
  readonly promise: Promise<Value>;
  /** Whether the actor's handler has had it, so that the actor may yet answer. */
  taken = false;
  readonly #open: Set<OpenAsk>;
  readonly #timer: Timer;
  #resolve: (value: Value) => void = () => {};
  #reject: (error: SpectaclesError) => void = () => {};

  constructor(open: Set<OpenAsk>, clock: Clock, path: string, timeoutMs: number) {
    this.promise = new Promise<Value>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#timer = clock.setTimer(timeoutMs, () => this.fail(new AskTimeoutError(path, timeoutMs)));
    this.#open = open;
    open.add(this);
  }

  ok(value: Value): void {
    if (this.close()) this.#resolve(value);
  }

  fail(error: SpectaclesError): void {
    if (this.close()) this.#reject(error);
  }

  /** Ends the question without an answer to anybody; false if it had ended already. */
  close(): boolean {
    this.#timer.cancel();
    return this.#open.delete(this);
  }
}

/** What stands in the mailbox for a message that asks. */
export class Question<Message> implements Envelope<Message> {
  readonly message: Message;
  readonly #ask: OpenAsk;

  constructor(message: Message, ask: OpenAsk) {
    this.message = message;
    this.#ask = ask;
  }

  open(): Message {
    this.#ask.taken = true;
    return this.message;
  }
}

export class Asks {
  readonly #open = new Set<OpenAsk>();

  get size(): number {
    return this.#open.size;
  }

  open<Value>(clock: Clock, path: string, timeoutMs: number): Ask<Value> {
    return new Ask<Value>(this.#open, clock, path, timeoutMs);
  }

  /** Gives up what no handler has seen, and so can never be answered. */
  failUntaken(error: SpectaclesError): void {
    for (const ask of [...this.#open]) {
      if (!ask.taken) ask.fail(error);
    }
  }

  failAll(error: SpectaclesError): void {
    for (const ask of [...this.#open]) ask.fail(error);
  }
}
