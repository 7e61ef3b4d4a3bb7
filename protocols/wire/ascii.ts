/** Numbers and short texts, written straight into a caller's buffer without a string in between. */

const ZERO = 0x30;
const QUESTION_MARK = 0x3f;
const ASCII_END = 0x80;

/** How many digits a non-negative integer has. */
export function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

/** Writes a non-negative integer in decimal; returns the offset after it. */
export function writeDecimal(value: number, target: Uint8Array, offset: number): number {
  const end = offset + digitsOf(value);
  let rest = value;
  for (let index = end - 1; index >= offset; index--) {
    target[index] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return end;
}

/** Session ids are ASCII; what is not is replaced, so that a length always says the truth. */
export function writeAscii(text: string, target: Uint8Array, offset: number): number {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    target[offset + index] = code < ASCII_END ? code : QUESTION_MARK;
  }
  return offset + text.length;
}
