/** The body of an answer on its way: held back, read in one of two ways, broken off, given up. */
import { describe, expect, it } from 'vitest';
import { UPSTREAM_BODY_DRAINED_BYTES, UPSTREAM_BODY_HELD_BYTES } from '../../protocols/limits.ts';
import { ArrivingBody } from '../../src/proxy/arriving-body.ts';

function arriving() {
  const said: string[] = [];
  const flow = {
    pause: () => void said.push('pause'),
    resume: () => void said.push('resume'),
    abort: () => void said.push('abort'),
  };
  return { body: new ArrivingBody(flow), said };
}

async function read(body: ArrivingBody): Promise<string> {
  let text = '';
  for await (const chunk of body) text += Buffer.from(chunk).toString();
  return text;
}

describe('the body of an answer', () => {
  it('is there as bytes when all of it has come, and not before', async () => {
    const { body } = arriving();
    body.push(Buffer.from('one '));
    expect(body.arrived()).toBeNull();
    body.push(Buffer.from('two'));
    body.end();
    expect(Buffer.from(body.arrived() ?? []).toString()).toBe('one two');
    expect(await read(body)).toBe('');
  });

  it('is read while it comes, and after', async () => {
    const { body } = arriving();
    body.push(Buffer.from('one '));
    const reading = read(body);
    await Promise.resolve();
    body.push(Buffer.from('two '));
    await new Promise((resolve) => setImmediate(resolve));
    body.push(Buffer.from('three'));
    body.end();
    expect(await reading).toBe('one two three');
  });

  it('is held back while nobody reads it, and goes on when somebody has', async () => {
    const { body, said } = arriving();
    body.push(Buffer.alloc(UPSTREAM_BODY_HELD_BYTES));
    expect(said).toEqual([]);
    body.push(Buffer.alloc(1));
    expect(said).toEqual(['pause']);
    const iterator = body[Symbol.asyncIterator]();
    await iterator.next();
    expect(said).toEqual(['pause', 'resume']);
    await iterator.return(undefined);
  });

  it('breaks off in whoever reads it, after what had come, and in nobody else', async () => {
    const { body } = arriving();
    body.push(Buffer.from('half'));
    body.end(new Error('gone'));
    expect(body.arrived()).toBeNull();
    const iterator = body[Symbol.asyncIterator]();
    expect(Buffer.from((await iterator.next()).value ?? []).toString()).toBe('half');
    await expect(iterator.next()).rejects.toThrow('gone');
    arriving().body.end(new Error('nobody is told'));
  });

  it('runs out unread when it is given up, and costs its connection if it is long', () => {
    const { body, said } = arriving();
    body.push(Buffer.alloc(UPSTREAM_BODY_HELD_BYTES + 1));
    body.discard();
    expect(said).toEqual(['pause', 'resume']);
    body.push(Buffer.alloc(UPSTREAM_BODY_DRAINED_BYTES - UPSTREAM_BODY_HELD_BYTES - 1));
    expect(said).not.toContain('abort');
    body.push(Buffer.alloc(1));
    expect(said).toContain('abort');
  });
});
