/**
 * A few values by number, as a value: a list that is looked through, and copied where one changes.
 *
 * A ledger has a handful of windows, and one of them changes several times a request. An object
 * with numbers for its keys would say the same, but V8 copies such objects several times slower.
 */
export type Numbered<Value> = readonly { readonly number: number; readonly value: Value }[];

export function valueAt<Value>(list: Numbered<Value>, number: number): Value | undefined {
  for (const one of list) if (one.number === number) return one.value;
  return undefined;
}

/** Changes the value of a number, or adds one at the end. */
export function withValue<Value>(
  list: Numbered<Value>,
  number: number,
  value: Value,
): Numbered<Value> {
  const index = list.findIndex((one) => one.number === number);
  return index < 0 ? [...list, { number, value }] : list.with(index, { number, value });
}

export function mapValues<Value, Result>(
  list: Numbered<Value>,
  change: (value: Value) => Result,
): Numbered<Result> {
  return list.map(({ number, value }) => ({ number, value: change(value) }));
}
