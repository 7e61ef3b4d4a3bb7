/**
 * A small language for the shapes in which Discord documents its objects, and its checker.
 *
 * Keys ending in `?` may be absent. A kind starting with `?` may be null. What a shape does not
 * name is reported too, so that a misspelt or invented field cannot hide.
 */
type Primitive = 'string' | 'snowflake' | 'integer' | 'number' | 'boolean' | 'timestamp' | 'any';

export type Shape =
  | Primitive
  | `?${Primitive}`
  | { readonly fields: Fields; readonly nullable?: boolean }
  | { readonly items: Shape }
  | { readonly values: Shape };

export type Fields = { readonly [name: string]: Shape };

export function object(fields: Fields): Shape {
  return { fields };
}

export function nullable(shape: Shape): Shape {
  if (typeof shape === 'string' || !('fields' in shape)) throw new TypeError('objects only');
  return { ...shape, nullable: true };
}

export function list(items: Shape): Shape {
  return { items };
}

/** An object that is a map from ids. */
export function dictionary(values: Shape): Shape {
  return { values };
}

/** One line for each place where `value` is not as the shape says; empty when it is. */
export function differences(shape: Shape, value: unknown, path = 'd'): string[] {
  if (typeof shape === 'string') return primitiveDifferences(shape, value, path);
  if ('items' in shape) {
    if (!Array.isArray(value)) return [`${path} is not a list`];
    return value.flatMap((item, index) => differences(shape.items, item, `${path}[${index}]`));
  }
  if (value === null && 'fields' in shape && shape.nullable === true) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [`${path} is not an object`];
  }
  if ('values' in shape) {
    return Object.entries(value).flatMap(([key, item]) =>
      differences(shape.values, item, `${path}.${key}`),
    );
  }
  return fieldDifferences(shape.fields, value, path);
}

function fieldDifferences(fields: Fields, value: object, path: string): string[] {
  const found: string[] = [];
  const known = new Set<string>();
  for (const [key, shape] of Object.entries(fields)) {
    const optional = key.endsWith('?');
    const name = optional ? key.slice(0, -1) : key;
    known.add(name);
    const present = Object.hasOwn(value, name);
    if (!present && !optional) found.push(`${path}.${name} is missing`);
    const field = (value as Record<string, unknown>)[name];
    if (present) found.push(...differences(shape, field, `${path}.${name}`));
  }
  for (const name of Object.keys(value)) {
    if (!known.has(name)) found.push(`${path}.${name} is not documented`);
  }
  return found;
}

function primitiveDifferences(
  shape: Primitive | `?${Primitive}`,
  value: unknown,
  path: string,
): string[] {
  const mayBeNull = shape.startsWith('?');
  const kind = shape.replace('?', '') as Primitive;
  if (value === null) return mayBeNull || kind === 'any' ? [] : [`${path} must not be null`];
  return fits(kind, value) ? [] : [`${path} is no ${kind}: ${JSON.stringify(value)}`];
}

function fits(kind: Primitive, value: unknown): boolean {
  switch (kind) {
    case 'any':
      return value !== undefined;
    case 'snowflake':
      return typeof value === 'string' && /^\d{1,20}$/.test(value);
    case 'timestamp':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value));
    case 'integer':
      return Number.isSafeInteger(value);
    default:
      return typeof value === kind;
  }
}
