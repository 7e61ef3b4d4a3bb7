/**
 * What the library's brokers are told and what they give: their options, those of what is sent, and
 * what a listener may do with a message.
 */
import type { Log } from '../../protocols/ports.ts';

export type Serialize = (data: unknown) => Uint8Array;
export type Deserialize = (data: Uint8Array) => unknown;

export type BrokerClientOptions = {
  readonly serialize?: Serialize;
  readonly deserialize?: Deserialize;
  /** Where what happens to the connection is logged; only warnings of the process unless given. */
  readonly log?: Log;
  /**
   * Acknowledges what was handled here before without telling a listener: the same message
   * delivered again after a lost connection, not another one that looks like it. False unless
   * given.
   */
  readonly dropRepeats?: boolean;
};

/** Who gets an event. */
export type Audience =
  /** One client of the group. */
  | 'group'
  /** This one, whoever else does, from the moment on that it subscribes. */
  | 'each';

/** For the brokers that let one choose. */
export type AudienceOptions = {
  /** `group` unless given. What `each` needs in the server goes with the client. */
  readonly audience?: Audience;
};

export type SendOptions = {
  /**
   * Milliseconds. For `publish`: after this the message may be dropped unread. For `call`: the
   * wait.
   */
  readonly expiration?: number | string;
  /** Milliseconds that `call` waits for the answer. */
  readonly timeout?: number;
  /**
   * It fails with the code UNROUTABLE if nobody has ever subscribed, where the broker can tell. A
   * `call` is so without being told, but over Redis, where services may read a stream without
   * subscribing.
   */
  readonly mandatory?: boolean;
  /**
   * Whether what `publish` sends lives through a restart of the broker, where it lets one choose.
   */
  readonly persistent?: boolean;
};

/** What a listener may do with a message. The first of ack, nack, reject and retry counts. */
export type MessageOptions = {
  /**
   * The same for each delivery of one message (`session:sequence` of an event), where it is known.
   */
  readonly id: string | undefined;
  /** The shard that an event comes from, where it is known. */
  readonly shard: number | undefined;
  /** 1 for the first delivery, and more for one that was tried before. */
  readonly attempt: number;
  /** Done: it is not delivered again. */
  readonly ack: () => Promise<void>;
  /**
   * Not done: delivered again, or, with `requeue` false, refused for good. `allUpTo` is ignored.
   */
  readonly nack: (allUpTo?: boolean, requeue?: boolean) => void;
  /** The same as `nack` of this one message. */
  readonly reject: (requeue?: boolean) => void;
  /** Delivered again. */
  readonly retry: () => void;
  /** Answers whoever sent it with `call`. */
  readonly reply: (data: unknown) => Promise<void>;
};

export type MessageListener<Data> = (data: Data, options: MessageOptions) => unknown;
