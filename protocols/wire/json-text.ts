/**
 * JSON as text: taking members out of it as they stand, and writing values that JSON.stringify
 * would not.
 *
 * What is forwarded to Discord goes out as its sender wrote it: digits, escapes, order and unknown
 * fields. So members are cut out of the text by their ranges and are never parsed and written
 * again.
 */

export type JsonMember = { readonly name: string; readonly text: string };

/** Strings, brackets and commas matter; everything between them is passed over. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]/g;

/**
 * The members of an object, in order, each with its text; one that stands twice is there twice.
 * @param text a valid JSON object
 */
export function jsonMembers(text: string): readonly JsonMember[] {
  const members: JsonMember[] = [];
  let depth = 0;
  let name: string | undefined;
  let start = 0;
  const close = (end: number): void => {
    if (name !== undefined) members.push({ name, text: text.slice(start, end).trim() });
    name = undefined;
  };
  let key = '';
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') {
      if (depth === 1) close(index);
      depth--;
    } else if (depth !== 1) continue;
    else if (token === ',') close(index);
    else if (token === ':') {
      name = String(JSON.parse(key));
      start = index + 1;
    } else if (name === undefined) key = token;
  }
  return members;
}

/**
 * Writes a value that came from MessagePack; a bigint becomes its digits.
 * @returns undefined where it holds something that JSON has not, such as bytes
 */
export function writeJson(value: unknown): string | undefined {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Date) return JSON.stringify(value);
  if (Array.isArray(value)) return joined(value.map(writeJson), '[', ']');
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const members = Object.entries(value).map(([name, member]) => {
    const text = writeJson(member);
    return text === undefined ? undefined : `${JSON.stringify(name)}:${text}`;
  });
  return joined(members, '{', '}');
}

function joined(
  parts: readonly (string | undefined)[],
  open: string,
  close: string,
): string | undefined {
  return parts.includes(undefined) ? undefined : `${open}${parts.join(',')}${close}`;
}
