/**
 * JSON texts by the million: everything that JSON can spell, drawn from a seed, and damage to it.
 *
 * They are text and not values, since what is tested reads bytes: one number has many spellings, a
 * key can come twice, an escape can stand for any letter.
 */
import type { Random } from '../../protocols/ports.ts';

const DEPTH_MAX = 4;
/** Where encodings change: counts and lengths around these. */
const EDGES = [15, 16, 31, 32, 127, 128, 255, 256, 257];
const RARE_EDGES = [65_535, 65_536];
const RARE = 0.0005;

const NUMBERS = [
  ...['0', '-0', '1', '-1', '31', '32', '127', '128', '255', '256', '65535', '65536'],
  ...['-32', '-33', '-128', '-129', '-32768', '-32769', '-2147483648', '-2147483649'],
  ...['2147483647', '2147483648', '4294967295', '4294967296', '999999999999999'],
  ...['9007199254740991', '9007199254740992', '-9007199254740993', '18446744073709551615'],
  ...['18446744073709551616', '-9223372036854775808', '123456789012345678901234567890'],
  ...[
    '0.1',
    '1.0',
    '-0.0',
    '0.30000000000000004',
    '1e3',
    '1E+3',
    '12e-1',
    '5e-324',
    '1e22',
    '1e23',
  ],
  ...['123456789012345e22', '1e400', '-1e400', '0e0', '0.000001', '1.7976931348623157e308'],
];
const TEXTS = [
  ...[
    '',
    'a',
    'op',
    '__proto__',
    'constructor',
    '0',
    '17',
    '4294967294',
    '9999999999',
    '1234567890123',
  ],
  ...['é', '日本語', '🎉', '\\n', '\\"', '\\\\', '\\/', '\\u0041', '\\u00e9', '\\u65e5', '\\u0000'],
  ...[
    '\\ud83c\\udf89',
    '\\ud83c',
    '\\udf89',
    '\\ud83c\\ud83c\\udf89',
    '\\u005f_proto__',
    '\\u2028',
  ],
  ...['{\\"op\\":0', '}}]]', ',', ':', '\u007f', '\ufeff', '\uffff', 'spectacles-integer:'],
];
const SPACES = [' ', '\n', '\t\r', '  '];
const TOKENS = [
  ...[
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '0',
    '-',
    '.',
    'e',
    'null',
    'true',
    'nul',
    ' ',
    '\n',
  ],
  ...[
    '\u0000',
    '\u001f',
    '"op":0,',
    '"d":',
    '\\u12',
    '\\x',
    '\\ud83c',
    '01',
    '-',
    '+1',
    '1.',
    '.5',
  ],
];
/** Bytes that are no UTF-8: alone, cut off, too long, half of a pair, beyond the last. */
const FOREIGN = [
  [0x80],
  [0xc3],
  [0xe2, 0x82],
  [0xc0, 0xaf],
  [0xe0, 0x80, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xff],
];

export class JsonTexts {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.#random() * values.length)] as Value;
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  /** A frame of the documented shape: its members in any order, some twice, some unknown. */
  frame(data: string): string {
    const members = [
      `"op":${this.below(12)}`,
      `"d":${data}`,
      ...(this.#chance(0.9) ? [`"s":${this.#chance(0.1) ? 'null' : this.below(2 ** 40)}`] : []),
      ...(this.#chance(0.9) ? [`"t":${this.#chance(0.1) ? 'null' : this.#text()}`] : []),
      ...(this.#chance(0.2) ? [`"x":${this.value(2)}`] : []),
      ...(this.#chance(0.05) ? ['"op":7'] : []),
      ...(this.#chance(0.05) ? ['"\\u006fp":3'] : []),
    ];
    const shuffled = members
      .map((member) => ({ member, at: this.#random() }))
      .toSorted((left, right) => left.at - right.at)
      .map(({ member }) => this.#space() + member + this.#space());
    return `${this.#space()}{${shuffled.join(',')}}${this.#space()}`;
  }

  value(depth = 0): string {
    const kind = this.below(depth >= DEPTH_MAX ? 3 : 6);
    if (kind === 0) return this.pick(['null', 'true', 'false']);
    if (kind === 1) return this.#number();
    if (kind === 2) return this.#text();
    if (this.#chance(RARE)) return this.#deep();
    const entries = this.#list(() => (kind === 3 ? '' : this.#member()) + this.value(depth + 1));
    if (kind === 3) return `[${entries}]`;
    return `{${entries}}`;
  }

  /** The same bytes with one to three places damaged. */
  damage(bytes: Uint8Array): Buffer {
    let damaged = Buffer.from(bytes);
    for (let change = this.below(3); change >= 0; change--) {
      const start = this.below(damaged.length + 1);
      const removed = this.below(3);
      const added = this.#chance(0.2)
        ? Buffer.from(this.pick(FOREIGN))
        : Buffer.from(this.#chance(0.3) ? '' : this.pick(TOKENS));
      damaged = Buffer.concat([
        damaged.subarray(0, start),
        added,
        damaged.subarray(start + removed),
      ]);
    }
    return this.#chance(0.1) ? damaged.subarray(0, this.below(damaged.length + 1)) : damaged;
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #space(): string {
    return this.#chance(0.1) ? this.pick(SPACES) : '';
  }

  #number(): string {
    if (this.#chance(0.5)) return this.pick(NUMBERS);
    if (this.#chance(0.5)) return String(this.below(2 ** 53) * (this.#chance(0.5) ? -1 : 1));
    const fraction = this.#chance(0.5) ? `.${this.below(10 ** this.below(12))}` : '';
    const exponent = this.#chance(0.3) ? `e${this.below(60) - 30}` : '';
    return `${this.#chance(0.3) ? '-' : ''}${this.below(10 ** this.below(14))}${fraction}${exponent}`;
  }

  #text(): string {
    if (this.#chance(RARE)) return `"${'x'.repeat(this.pick(RARE_EDGES))}"`;
    if (this.#chance(0.03)) return `"${this.pick(['a', 'é', '\\n']).repeat(this.pick(EDGES))}"`;
    let text = '';
    for (let parts = this.below(4); parts > 0; parts--) text += this.pick(TEXTS);
    return `"${text}"`;
  }

  #member(): string {
    const key = this.#chance(0.7) ? `"k${this.below(400)}"` : this.#text();
    return `${key}${this.#space()}:${this.#space()}`;
  }

  #list(entry: () => string): string {
    const edge = this.#chance(0.01);
    const count = edge ? this.pick(EDGES) : this.below(5);
    const one = edge ? () => this.#small(entry) : entry;
    return Array.from({ length: count }, () => this.#space() + one() + this.#space()).join(',');
  }

  /** Of an entry with much in it only the key is kept: there are hundreds of them. */
  #small(entry: () => string): string {
    const text = entry();
    return text.length < 40 ? text : text.startsWith('"k') ? `${text.split(':')[0]}:1` : '1';
  }

  #deep(): string {
    const depth = 990 + this.below(20);
    const isMap = this.#chance(0.5);
    const inner = this.pick(['', '1', '[]', '{}']);
    const core = isMap && inner === '' ? '{}' : inner;
    return isMap
      ? '{"a":'.repeat(depth) + core + '}'.repeat(depth)
      : '['.repeat(depth) + core + ']'.repeat(depth);
  }
}
