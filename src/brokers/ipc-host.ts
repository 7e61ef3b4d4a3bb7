/**
 * A process that serves its children: the hub where they meet, and a session for each of their
 * links.
 *
 * A child's session stands for it at the hub. So children compete for messages as processes do for
 * those of a broker, an answer goes to the one who asked, and when a child dies what it held goes
 * to the others, and those who wait for an answer that it owed are told that it is gone.
 *
 * A child that speaks plainly, as `@spectacles/brokers` does, subscribes to nothing: together with
 * its like it takes its turn at every event, and what it was sent counts as handled.
 */
import type { Clock, Log } from '../../protocols/ports.ts';
import {
  isOurs,
  readChildMessage,
  readPlainMessage,
  writePlainMessage,
} from '../../protocols/wire/ipc.ts';
import { PlainSession } from './ipc-host-plain.ts';
import { ChildSession, type Surroundings } from './ipc-host-session.ts';
import type { IpcPort } from './ipc-port.ts';
import { MemoryHub, PendingAnswer } from './memory.ts';

/** All that is said on the channel to one child. */
class ChildChannel {
  readonly #port: IpcPort;
  readonly #surroundings: Surroundings;
  readonly #sessions = new Map<string, ChildSession>();
  readonly #stopListening: () => void;
  #plain: PlainSession | undefined;

  constructor(port: IpcPort, surroundings: Surroundings, onGone: () => void) {
    this.#port = port;
    this.#surroundings = surroundings;
    this.#stopListening = port.listen({
      message: (value) => this.#receive(value),
      gone: () => {
        this.end();
        onGone();
      },
    });
  }

  speakPlainly(): void {
    this.#plain ??= new PlainSession(this.#port, this.#surroundings.hub);
  }

  end(): void {
    this.#stopListening();
    for (const session of this.#sessions.values()) session.end();
    this.#sessions.clear();
    this.#plain?.end();
    this.#plain = undefined;
  }

  #receive(value: unknown): void {
    const { log } = this.#surroundings;
    if (!isOurs(value)) {
      this.#receivePlain(value);
      return;
    }
    const message = readChildMessage(value);
    if (message === undefined) {
      log.warn({}, 'a message of a child cannot be read; its version may be another');
    } else if (message.op === 'hello') {
      this.#sessions.get(message.link)?.end();
      const session = new ChildSession(this.#port, message, this.#surroundings);
      this.#sessions.set(message.link, session);
    } else if (message.op === 'bye') {
      this.#sessions.get(message.link)?.end();
      this.#sessions.delete(message.link);
    } else this.#sessions.get(message.link)?.receive(message);
  }

  #receivePlain(value: unknown): void {
    const { hub, log } = this.#surroundings;
    const frame = readPlainMessage(value);
    if (frame === undefined) {
      log.debug({}, 'a message of a child is none of ours');
      return;
    }
    const { event, body, key } = frame;
    if (this.#sessions.size === 0) this.speakPlainly();
    try {
      const answer = key === undefined ? undefined : this.#answerTo(event, key);
      hub.publish(event, body, { onlySubscribed: true, ...(answer && { answer }) });
    } catch (error) {
      log.warn({ event, error }, 'a message of a child was not taken');
    }
  }

  #answerTo(event: string, key: string): PendingAnswer {
    return new PendingAnswer((answer) => {
      if (answer instanceof Error) return;
      this.#port.send(writePlainMessage({ event, body: answer, key }), () => undefined);
    });
  }
}

export class IpcHost {
  readonly hub: MemoryHub;
  readonly #surroundings: Surroundings;
  readonly #channels = new Map<IpcPort, ChildChannel>();

  constructor(surroundings: { readonly clock: Clock; readonly log: Log }) {
    this.hub = new MemoryHub(surroundings.clock);
    this.#surroundings = { ...surroundings, hub: this.hub };
  }

  /** Serves a child; `isPlain` says beforehand that it will never say hello. */
  serve(port: IpcPort, { isPlain }: { readonly isPlain: boolean }): void {
    const channel = new ChildChannel(port, this.#surroundings, () => this.#channels.delete(port));
    this.#channels.set(port, channel);
    if (isPlain) channel.speakPlainly();
  }

  /** Disconnects from every child. */
  close(): void {
    for (const [port, channel] of this.#channels) {
      channel.end();
      port.disconnect();
    }
    this.#channels.clear();
  }
}
