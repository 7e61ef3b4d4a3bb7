/**
 * Tables of fields: what Discord takes in a body, field by field.
 *
 * A field reads its value from the form as Discord would understand it; what is wrong with it goes
 * into the form's errors, under its path. What was not given is undefined, and a null is as good
 * as not given but where the field is `nullable`.
 */
import { createHash } from 'node:crypto';
import type { Form } from './form.ts';

export type Field = (form: Form, name: string) => unknown;

export type FieldTable<Body> = { readonly [Name in keyof Body]?: Field };

/** The fields of the table that were given, each checked. */
export function readFields<Body extends object>(
  form: Form,
  table: FieldTable<Body>,
  required: readonly (keyof Body & string)[] = [],
): Partial<Body> {
  const read: Record<string, unknown> = {};
  for (const name of required) form.required(name);
  for (const [name, field] of Object.entries<Field | undefined>(table)) {
    const value = field?.(form, name);
    if (value !== undefined) read[name] = value;
  }
  // The table's fields have checked that each value is what the body's type says.
  return read as Partial<Body>;
}

export const text =
  (most: number, least = 0): Field =>
  (form, name) =>
    form.string(name, most, least);

export const flag: Field = (form, name) => form.boolean(name);

export const whole =
  (least = 0, most = Number.MAX_SAFE_INTEGER): Field =>
  (form, name) =>
    form.integer(name, least, most);

export const fractionUpTo =
  (most: number): Field =>
  (form, name) =>
    form.float(name, 0, most);

export const snowflake: Field = (form, name) => form.snowflake(name);

export const nullable =
  (field: Field): Field =>
  (form, name) =>
    form.isNull(name) ? null : field(form, name);

/** One of a few numbers, as types and levels are. */
export const choice =
  (...allowed: readonly number[]): Field =>
  (form, name) => {
    const value = form.integer(name);
    if (value === undefined || allowed.includes(value)) return value;
    return form.fail(name, 'BASE_TYPE_CHOICES', `Value must be one of {${allowed.join(', ')}}.`);
  };

/** Permissions: a number of many bits, written as text. */
export const bits: Field = (form, name) => {
  const value = form.string(name, 40);
  if (value === undefined || /^\d+$/.test(value)) return value;
  return form.fail(name, 'NUMBER_TYPE_COERCE', `Value "${value}" is not int.`);
};

/** A time; Discord takes what ISO 8601 allows. */
export const time: Field = (form, name) => {
  const value = form.string(name, 64);
  if (value === undefined) return undefined;
  const epochMs = Date.parse(value);
  if (!Number.isNaN(epochMs)) return new Date(epochMs).toISOString().replace('Z', '000+00:00');
  return form.fail(name, 'DATE_TIME_TYPE_PARSE', `Could not parse ${value}. Should be ISO8601.`);
};

const DATA_URI = /^data:([a-z]+)\/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=\s]+$/;

/** Base64 within a data URI; what comes of it is the hash under which Discord would serve it. */
const upload =
  (kind: 'image' | 'audio', most: number): Field =>
  (form, name) => {
    const value = form.string(name, most);
    if (value === undefined) return undefined;
    if (DATA_URI.exec(value)?.[1] !== kind) {
      return form.fail(name, `${kind.toUpperCase()}_INVALID`, `Invalid ${kind} data`);
    }
    const hash = createHash('md5').update(value).digest('hex');
    return /^data:image\/gif/.test(value) ? `a_${hash}` : hash;
  };

const KIB_IN_BASE64 = (1_024 * 4) / 3;

export const image = (kib: number): Field => upload('image', Math.ceil(kib * KIB_IN_BASE64) + 64);
export const audio = (kib: number): Field => upload('audio', Math.ceil(kib * KIB_IN_BASE64) + 64);

export const listOfSnowflakes =
  (most: number): Field =>
  (form, name) =>
    form.snowflakes(name, most);

export const listOfTexts =
  (most: number, longest: number): Field =>
  (form, name) =>
    form.each(name, most, (below, index) => below.string(index, longest));

export const object =
  <Body extends object>(
    table: FieldTable<Body>,
    required: readonly (keyof Body & string)[] = [],
  ): Field =>
  (form, name) => {
    const below = form.object(name);
    return below === undefined ? undefined : readFields(below, table, required);
  };

export const objects =
  <Body extends object>(
    most: number,
    table: FieldTable<Body>,
    required: readonly (keyof Body & string)[] = [],
  ): Field =>
  (form, name) =>
    form.objects(name, most)?.map((below) => readFields(below, table, required));

/** Taken as it comes: where Discord's own checks are of no use to whoever tries out a bot. */
export const anything: Field = (form, name) => form.value(name);
