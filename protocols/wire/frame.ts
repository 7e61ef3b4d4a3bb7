/**
 * A message between two processes that are joined without a server: what its frame says.
 *
 * The name stands under `event`, or under `name` as one of the older clients writes it. A frame
 * with a `key` asks for an answer, which is a frame with the same key, as in `@spectacles/brokers`.
 * Bodies are those of any broker: MessagePack, or JSON text.
 */
export type Frame = {
  readonly event: string;
  readonly body: Uint8Array;
  readonly key?: string | undefined;
  /** The sender's name for the message, where it gives one. */
  readonly id?: string | undefined;
};

/** The body of a frame that has none. */
export const NIL_BODY: Uint8Array = Uint8Array.of(0xc0);

const SPACE = 0x20;

/** JSON text as a body: a single digit would be read as MessagePack, so it gets company. */
export function textBody(text: Uint8Array): Uint8Array {
  if (text.length !== 1) return new Uint8Array(text);
  return Uint8Array.of(SPACE, text[0] as number);
}
