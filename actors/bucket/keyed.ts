/**
 * A few values by key, as a value: a list that is looked through, and copied where one changes.
 *
 * A ledger has a handful of accounts and windows, and some of them change several times a request.
 * An object with the keys for its properties would say the same, but V8 copies such an object
 * several times slower, or keeps a hidden class for each.
 */
export type Keyed<Key, Value> = readonly { readonly key: Key; readonly value: Value }[];

export function valueAt<Key, Value>(list: Keyed<Key, Value>, key: Key): Value | undefined {
  for (const one of list) if (one.key === key) return one.value;
  return undefined;
}

/** Changes the value of a key, or adds one at the end. */
export function withValue<Key, Value>(
  list: Keyed<Key, Value>,
  key: Key,
  value: Value,
): Keyed<Key, Value> {
  const index = list.findIndex((one) => one.key === key);
  return index < 0 ? list.concat({ key, value }) : list.with(index, { key, value });
}

export function mapValues<Key, Value, Result>(
  list: Keyed<Key, Value>,
  change: (value: Value) => Result,
): Keyed<Key, Result> {
  return list.map(({ key, value }) => ({ key, value: change(value) }));
}
