/**
 * The connection that carries nothing but dispatch events to one Redis server.
 *
 * ioredis opens it (address, TLS, password, database), keeps it, and says when it ends. Once it is
 * open, the bytes of events go straight to its stream, and what comes back is counted and not
 * decoded: ioredis would queue, decode and settle an object for each. Redis answers in order, so
 * the n-th answer is that to the n-th command. Hence the connection of its own: no other command
 * may be sent on it but our PING, the sign of life, which is counted with the events.
 *
 * `answersOf` is all that is used of ioredis' inside: that one listener reads what the stream
 * brings.
 *
 * Failure: an answer to nothing, or one that no command here has, is the loss of the link.
 */
import type { Redis } from 'ioredis';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import { type AnswerListener, RedisAnswerReader } from '../../protocols/wire/redis-answers.ts';
import { replyError } from './redis-connection.ts';

const PING = Buffer.from('*1\r\n$4\r\nPING\r\n');

/** What the sender of events is told of each, in the order in which they were sent. */
export interface EventAnswers {
  done(): void;
  refused(error: Error): void;
}

type AwaitedPing = {
  /** Which of all answers is its own. */
  readonly answer: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
};

type AnswerStream = Pick<Redis['stream'], 'on' | 'removeListener' | 'write' | 'writable'>;

/** Takes the answers from ioredis; throws where another ioredis has another inside. */
function answersOf(redis: Redis, read: (bytes: Uint8Array) => void): AnswerStream {
  const { stream } = redis;
  const [decode, ...others] = stream?.listeners('data') ?? [];
  if (decode === undefined || others.length > 0) {
    throw new FatalError(
      'this version of ioredis cannot carry events: install the one that package.json names',
    );
  }
  stream.on('data', read);
  stream.removeListener('data', decode as (bytes: Buffer) => void);
  return stream;
}

export class RedisEventWire {
  readonly #redis: Redis;
  readonly #stream: AnswerStream;
  readonly #lost: (reason: unknown) => void;
  readonly #pings: AwaitedPing[] = [];
  #answers: EventAnswers | undefined;
  #sent = 0;
  #answered = 0;
  /** The answer that the oldest of `#pings` waits for; 0 when there is none. */
  #pingAnswer = 0;
  #isDeaf = false;

  /** @param redis is open, and awaits no answer */
  constructor(redis: Redis, lost: (reason: unknown) => void) {
    this.#redis = redis;
    this.#lost = lost;
    const reader = new RedisAnswerReader(this.#listener);
    this.#stream = answersOf(redis, (bytes) => this.#read(reader, bytes));
    redis.once('end', () => this.#endPings());
  }

  get isOpen(): boolean {
    return this.#redis.status === 'ready' && this.#stream.writable;
  }

  /** Tells `answers` of every event from now on. */
  tell(answers: EventAnswers): void {
    this.#answers = answers;
  }

  /** Sends the commands of so many events; `done` says that the bytes are not needed any more. */
  write(bytes: Uint8Array, events: number, done: () => void): void {
    this.#sent += events;
    this.#stream.write(bytes, done);
  }

  /** Resolves when everything that was sent before is answered. */
  ping(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) {
        reject(closed());
        return;
      }
      this.#pings.push({ answer: ++this.#sent, resolve, reject });
      this.#pingAnswer = this.#pings[0]?.answer ?? 0;
      this.#stream.write(PING);
    });
  }

  readonly #listener: AnswerListener = {
    done: () => {
      if (!this.#answersPing()) this.#answers?.done();
    },
    // A user who may not PING is answered all the same.
    refused: (words) => {
      if (!this.#answersPing()) this.#answers?.refused(replyError(words));
    },
  };

  #read(reader: RedisAnswerReader, bytes: Uint8Array): void {
    if (this.#isDeaf) return;
    try {
      reader.read(bytes);
    } catch (error) {
      this.#isDeaf = true;
      this.#lost(error);
    }
  }

  #answersPing(): boolean {
    this.#answered++;
    if (this.#answered > this.#sent) {
      throw new BrokerUnavailableError('the server answered what it was not asked');
    }
    if (this.#answered !== this.#pingAnswer) return false;
    this.#pings.shift()?.resolve();
    this.#pingAnswer = this.#pings[0]?.answer ?? 0;
    return true;
  }

  #endPings(): void {
    this.#pingAnswer = 0;
    for (const { reject } of this.#pings.splice(0)) reject(closed());
  }
}

function closed(): BrokerUnavailableError {
  return new BrokerUnavailableError('the connection of events closed');
}
