/** Bytes that were a valid request once: what a broken client, or a hostile one, may send. */
import fc from 'fast-check';

/** One change of a text of bytes, at a place between its beginning (0) and its end (1). */
type Mutation =
  | { readonly kind: 'set' | 'insert'; readonly at: number; readonly byte: number }
  | { readonly kind: 'drop' | 'repeat'; readonly at: number; readonly length: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'splice'; readonly at: number; readonly bytes: Uint8Array };

const place = fc.double({ min: 0, max: 1, noNaN: true });
const byte = fc.oneof(fc.nat(0xff), fc.constantFrom(0, 10, 13, 32, 58, 0x7f, 0xc1, 0xdf, 0xff));

function mutation(tokens: readonly Uint8Array[]): fc.Arbitrary<Mutation> {
  return fc.oneof(
    fc.record({ kind: fc.constantFrom('set', 'insert'), at: place, byte }),
    fc.record({ kind: fc.constantFrom('drop', 'repeat'), at: place, length: fc.nat(40) }),
    fc.record({ kind: fc.constant('cut'), at: place }),
    fc.record({ kind: fc.constant('splice'), at: place, bytes: fc.constantFrom(...tokens) }),
  );
}

function mutate(bytes: Buffer, change: Mutation): Buffer {
  const at = Math.floor(change.at * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (change.kind) {
    case 'set':
      return Buffer.concat([before, Buffer.of(change.byte), after.subarray(1)]);
    case 'insert':
      return Buffer.concat([before, Buffer.of(change.byte), after]);
    case 'drop':
      return Buffer.concat([before, after.subarray(change.length)]);
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, change.length), after]);
    case 'cut':
      return before;
    case 'splice':
      return Buffer.concat([before, change.bytes, after]);
  }
}

/** One of the `seeds` with one to four changes; `tokens` are what is spliced in. */
export function mutated(
  seeds: readonly Uint8Array[],
  tokens: readonly Uint8Array[],
): fc.Arbitrary<Buffer> {
  return fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(mutation(tokens), { minLength: 1, maxLength: 4, size: 'small' }),
    )
    .map(([seed, changes]) => changes.reduce(mutate, Buffer.from(seed)));
}
