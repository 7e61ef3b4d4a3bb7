import { describe, expect, it } from 'vitest';
import {
  FrameScanner,
  NO_SEQUENCE,
  resolveEscapes,
} from '../../protocols/gateway/frame-scanner.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function scan(text: string): FrameScanner | undefined {
  const bytes = encoder.encode(text);
  const scanner = new FrameScanner();
  return scanner.scan(bytes, 0, bytes.length) ? scanner : undefined;
}

function data(text: string): string | undefined {
  const scanner = scan(text);
  return (
    scanner && decoder.decode(encoder.encode(text).subarray(scanner.dataStart, scanner.dataEnd))
  );
}

function event(text: string): string | undefined {
  const scanner = scan(text);
  return (
    scanner && decoder.decode(encoder.encode(text).subarray(scanner.eventStart, scanner.eventEnd))
  );
}

describe('the frame scanner', () => {
  it('finds the parts of a dispatch as Discord sends it', () => {
    const text = '{"t":"MESSAGE_CREATE","s":42,"op":0,"d":{"id":"1","content":"hé"}}';
    expect(scan(text)).toMatchObject({ op: 0, sequence: 42 });
    expect(event(text)).toBe('MESSAGE_CREATE');
    expect(data(text)).toBe('{"id":"1","content":"hé"}');
  });

  it('GP-75: is not misled by keys inside of d, nor by text that looks like them', () => {
    const text =
      '{"d":{"op":9,"s":1,"t":"READY","d":"\\",\\"op\\":7,\\"t\\":\\"X\\""},"t":"A","op":0,"s":5}';
    expect(scan(text)).toMatchObject({ op: 0, sequence: 5 });
    expect(event(text)).toBe('A');
    expect(data(text)).toBe('{"op":9,"s":1,"t":"READY","d":"\\",\\"op\\":7,\\"t\\":\\"X\\""}');
  });

  it('GP-75: knows a key that is spelled with escapes', () => {
    expect(scan('{"\\u006fp":7,"\\u0073":3}')).toMatchObject({ op: 7, sequence: 3 });
  });

  it('counts the last of two equal keys', () => {
    expect(scan('{"op":1,"s":4,"t":"A","d":1,"op":2,"s":null,"t":null,"d":[2]}')).toMatchObject({
      op: 2,
      sequence: NO_SEQUENCE,
      eventStart: 0,
      eventEnd: 0,
    });
    expect(data('{"op":1,"d":1,"d":[2]}')).toBe('[2]');
  });

  it('has no sequence, no name and no data where the frame has none', () => {
    for (const text of ['{"op":11}', '{"op":11,"s":null,"t":null}', ' { "op" : 11 } \n']) {
      expect(scan(text)).toMatchObject({ op: 11, sequence: NO_SEQUENCE, eventEnd: 0, dataEnd: 0 });
    }
    expect(data('{"op":11,"d":null}')).toBe('null');
  });

  it('starts afresh with each scan', () => {
    const scanner = new FrameScanner();
    const first = encoder.encode('{"op":0,"s":9,"t":"A","d":{}}');
    const second = encoder.encode('{"op":11}');
    expect(scanner.scan(first, 0, first.length)).toBe(true);
    expect(scanner.scan(second, 0, second.length)).toBe(true);
    expect(scanner).toMatchObject({ op: 11, sequence: NO_SEQUENCE, eventEnd: 0, dataEnd: 0 });
  });

  it('goes through a hundred thousand levels of nesting without recursion', () => {
    const depth = 100_000;
    const nested = '['.repeat(depth) + ']'.repeat(depth);
    expect(data(`{"op":0,"d":${nested},"s":1}`)).toBe(nested);
    const objects = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    expect(data(`{"d":${objects},"op":0}`)).toBe(objects);
    expect(scan(`{"op":0,"d":${'['.repeat(depth)}`)).toBeUndefined();
  });

  it('takes the largest sequence that is exact, and none above it', () => {
    expect(scan(`{"op":0,"s":${Number.MAX_SAFE_INTEGER}}`)?.sequence).toBe(Number.MAX_SAFE_INTEGER);
    expect(scan(`{"op":0,"s":${'9'.repeat(400)}}`)).toBeUndefined();
  });

  it.each([
    ['', 'nothing'],
    [' ', 'only space'],
    ['{}', 'no op'],
    ['[]', 'an array'],
    ['null', 'no object'],
    ['{"op":0', 'an object that does not end'],
    ['{"op":0,}', 'a comma too many'],
    ['{,"op":0}', 'a comma too early'],
    ['{"op" 0}', 'a colon missing'],
    ['{"op":0 "d":1}', 'a comma missing'],
    ['{op:0}', 'a key without quotes'],
    ['{"op":"0"}', 'an op that is text'],
    ['{"op":null}', 'an op that is null'],
    ['{"op":-1}', 'a negative op'],
    ['{"op":1.5}', 'a fraction'],
    ['{"op":01}', 'a leading zero'],
    ['{"op":0,"s":"1"}', 'a sequence that is text'],
    ['{"op":0,"s":-1}', 'a negative sequence'],
    ['{"op":0,"s":nul}', 'half a null'],
    ['{"op":0,"s":nulll}', 'more than a null'],
    ['{"op":0,"t":5}', 'a name that is a number'],
    ['{"op":0,"t":"A}', 'a name that does not end'],
    ['{"op":0,"t":"A\\"}', 'a name whose last quote is escaped'],
    ['{"op":0,"d":}', 'no value'],
    ['{"op":0,"d":[}', 'brackets that do not end'],
    ['{"op":0}x', 'something behind it'],
    ['{"op":0}{"op":0}', 'two frames'],
  ])('refuses %s: %s', (text) => {
    expect(scan(text)).toBeUndefined();
  });
});

describe('resolving escapes', () => {
  const resolve = (text: string): string | undefined => {
    const bytes = encoder.encode(text);
    return resolveEscapes(bytes, 0, bytes.length);
  };

  it('gives the text, or undefined where the escapes are not valid', () => {
    expect(resolve('\\u0041\\n')).toBe('A\n');
    expect(resolve('\\x')).toBeUndefined();
    expect(resolve('\\u12')).toBeUndefined();
  });
});
