/**
 * Values by number, for one per shard or per key. Pure.
 *
 * A thousand shards that start at once change such a table several thousand times, and each change
 * makes a new one. So it is cut into rows, and a new table shares all rows but one with the old.
 */
const ROW = 64;

type Row<Value> = readonly (Value | undefined)[];
export type Table<Value> = Readonly<Record<number, Row<Value>>>;

export function valueIn<Value>(table: Table<Value>, at: number): Value | undefined {
  return table[Math.floor(at / ROW)]?.[at % ROW];
}

/** The table with another value in one place; undefined takes out what was there. */
export function withValue<Value>(
  table: Table<Value>,
  at: number,
  value: Value | undefined,
): Table<Value> {
  const number = Math.floor(at / ROW);
  const row = table[number]?.slice() ?? new Array<Value | undefined>(ROW).fill(undefined);
  row[at % ROW] = value;
  if (value !== undefined || row.some((each) => each !== undefined)) {
    return { ...table, [number]: row };
  }
  const { [number]: _emptied, ...others } = table;
  return others;
}

/** In the order of their numbers. */
export function valuesOf<Value>(table: Table<Value>): Value[] {
  return Object.values(table).flatMap((row) => row.filter((each) => each !== undefined));
}

export function isEmpty(table: Table<unknown>): boolean {
  return Object.keys(table).length === 0;
}
