/**
 * Gateway frames as text, in every spelling that JSON allows: for tests of what reads them without
 * parsing.
 */
import fc from 'fast-check';

/** A member of the outermost object: the key as a program sees it, and its value as text. */
type Member = { readonly key: string; readonly value: string };

const space = fc.stringMatching(/^[ \n\r\t]{0,3}$/);

/** Text that a search for keys would fall for. */
const bait = fc.constantFrom(
  '"op":0',
  '{"op":7,"t":"READY","s":9,"d":null}',
  '","s":1,"t":"',
  '"d":{"d":[',
  '}}}]]]',
  '\\',
  '\\"',
  '"',
  'é日本語🎉',
  '\u2028\u2029',
);

const text = fc.oneof(fc.string({ unit: 'grapheme' }), bait, fc.string({ unit: 'binary' }));

/** Any JSON value, often with members that look like those of the envelope. */
export const jsonValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, -1, 1e21, 0.5, ''),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom('op', 's', 't', 'd'), text), tie('value'), {
      maxKeys: 4,
    }),
  ),
})).value;

/** The same value, each way of writing it being as good: with white space, and with escapes. */
function written(value: unknown): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(0, 1, '\t', '\n '), fc.boolean()).map(([indent, escaped]) => {
    const plain = JSON.stringify(value, undefined, indent);
    return escaped ? plain.replace(/[^\0-\x7f]/g, escapeUnit) : plain;
  });
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A key with any of its characters escaped. */
function writtenKey(key: string): fc.Arbitrary<string> {
  const plain = fc.constant(JSON.stringify(key));
  const escaped = fc.constant(`"${[...key].map(escapeUnit).join('')}"`);
  return fc.oneof({ weight: 5, arbitrary: plain }, { weight: 1, arbitrary: escaped });
}

const member: fc.Arbitrary<Member> = fc.oneof(
  fc.nat({ max: 50 }).map((op) => ({ key: 'op', value: String(op) })),
  fc.option(fc.maxSafeNat()).map((sequence) => ({ key: 's', value: JSON.stringify(sequence) })),
  fc
    .option(fc.oneof(fc.constantFrom('READY', 'MESSAGE_CREATE'), text))
    .chain((name) => written(name).map((value) => ({ key: 't', value }))),
  jsonValue.chain((data) => written(data).map((value) => ({ key: 'd', value }))),
  fc
    .tuple(
      text.filter((key) => !['op', 's', 't', 'd', '__proto__'].includes(key)),
      jsonValue,
    )
    .chain(([key, value]) => written(value).map((shown) => ({ key, value: shown }))),
);

/**
 * A frame of the documented shape: members in any order, some missing, some twice, some unknown,
 * and at least one `op`.
 */
export const gatewayFrame: fc.Arbitrary<string> = fc
  .tuple(fc.array(member, { maxLength: 8 }), fc.nat({ max: 50 }), fc.nat({ max: 8 }))
  .chain(([others, op, place]) => {
    const members = [...others];
    members.splice(place, 0, { key: 'op', value: String(op) });
    const parts = members.map(({ key, value }) =>
      fc
        .tuple(space, writtenKey(key), space, space, space)
        .map(([before, name, between, after, end]) =>
          [before, name, between, ':', after, value, end].join(''),
        ),
    );
    return fc
      .tuple(space, fc.tuple(...parts), space)
      .map(([before, list, after]) => `${before}{${list.join(',')}}${after}`);
  });
