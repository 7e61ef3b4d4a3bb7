/**
 * Checks the fields of a body and collects what is wrong with them, in Discord's words.
 *
 * Each check returns the value as Discord would understand it, or undefined when the field is
 * absent, null or wrong; what is wrong is kept in `errors`.
 */
import type { FormError } from './answers.ts';

type Fields = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const SNOWFLAKE = /^\d{1,20}$/;

export class Form {
  readonly errors: FormError[];
  readonly #fields: Fields;
  readonly #path: readonly string[];

  constructor(fields: Fields, path: readonly string[] = [], errors: FormError[] = []) {
    this.#fields = fields;
    this.#path = path;
    this.errors = errors;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  /** As it was sent. */
  value(name: string): unknown {
    return this.#fields[name];
  }

  /** Whether the field was given to be emptied. */
  isNull(name: string): boolean {
    return this.#fields[name] === null;
  }

  fail(name: string, code: string, message: string): undefined {
    this.errors.push({ path: [...this.#path, name], code, message });
    return undefined;
  }

  required(name: string): boolean {
    if (this.has(name)) return true;
    this.fail(name, 'BASE_TYPE_REQUIRED', 'This field is required');
    return false;
  }

  string(name: string, maxLength: number, minLength = 0): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value !== 'string' && typeof value !== 'number') {
      return this.fail(name, 'STRING_TYPE_CONVERT', 'Could not interpret value as string.');
    }
    const text = String(value);
    if (text.length > maxLength || text.length < minLength) {
      if (minLength > 0) {
        const message = `Must be between ${minLength} and ${maxLength} in length.`;
        return this.fail(name, 'BASE_TYPE_BAD_LENGTH', message);
      }
      const message = `Must be ${maxLength} or fewer in length.`;
      return this.fail(name, 'BASE_TYPE_MAX_LENGTH', message);
    }
    return text;
  }

  boolean(name: string): boolean | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'True' || value === '1') return true;
    if (value === 'false' || value === 'False' || value === '0') return false;
    return this.fail(name, 'BOOLEAN_TYPE_CONVERT', 'Must be either true or false.');
  }

  integer(
    name: string,
    least = Number.MIN_SAFE_INTEGER,
    most = Number.MAX_SAFE_INTEGER,
  ): number | undefined {
    return this.#number(name, 'int', Number.isSafeInteger, least, most);
  }

  float(name: string, least: number, most: number): number | undefined {
    return this.#number(name, 'float', Number.isFinite, least, most);
  }

  #number(
    name: string,
    kind: 'int' | 'float',
    isNumber: (value: number) => boolean,
    least: number,
    most: number,
  ): number | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !isNumber(number)) {
      return this.fail(name, 'NUMBER_TYPE_COERCE', `Value "${shown(value)}" is not ${kind}.`);
    }
    if (number < least) {
      const message = `${kind} value should be greater than or equal to ${least}.`;
      return this.fail(name, 'NUMBER_TYPE_MIN', message);
    }
    if (number > most) {
      const message = `${kind} value should be less than or equal to ${most}.`;
      return this.fail(name, 'NUMBER_TYPE_MAX', message);
    }
    return number;
  }

  snowflake(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text === 'string' && SNOWFLAKE.test(text)) return text;
    return this.fail(name, 'NUMBER_TYPE_COERCE', `Value "${shown(value)}" is not snowflake.`);
  }

  list(name: string, maxLength: number): readonly unknown[] | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (!Array.isArray(value)) {
      return this.fail(name, 'LIST_TYPE_CONVERT', 'Only iterables may be used in a ListType');
    }
    if (value.length <= maxLength) return value;
    return this.fail(name, 'BASE_TYPE_MAX_LENGTH', `Must be ${maxLength} or fewer in length.`);
  }

  /** The form below `name`, or undefined; `name` may be a list's index under a list's form. */
  object(name: string): Form | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#fields[name];
    if (isObject(value)) return new Form(value, [...this.#path, name], this.errors);
    return this.fail(name, 'MODEL_TYPE_CONVERT', 'Only dictionaries may be used in a ModelType');
  }

  /** The forms of a list of objects. */
  objects(name: string, maxLength: number): readonly Form[] | undefined {
    return this.each(name, maxLength, (below, index) => below.object(index));
  }

  snowflakes(name: string, maxLength: number): readonly string[] | undefined {
    return this.each(name, maxLength, (below, index) => below.snowflake(index));
  }

  /** What `read` makes of each item, which it finds under the item's index. */
  each<Item>(
    name: string,
    maxLength: number,
    read: (below: Form, index: string) => Item | undefined,
  ): readonly Item[] | undefined {
    const list = this.list(name, maxLength);
    if (list === undefined) return undefined;
    const below = new Form(Object.fromEntries(list.entries()), [...this.#path, name], this.errors);
    return list.map((_, index) => read(below, String(index))).filter((item) => item !== undefined);
  }
}

/** Enough of a value to recognise it in a message. */
function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 64) : '';
}
