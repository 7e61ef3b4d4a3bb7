/** What is said of whatever was thrown. */
import { connect, createServer, type LookupFunction } from 'node:net';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../../protocols/message-of.ts';

/** Of a port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on no port');
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

describe('what is said of whatever was thrown', () => {
  it('is the message of an error, and what else there is as text', () => {
    expect(messageOf(new TypeError('no such thing'))).toBe('no such thing');
    expect(messageOf('thrown as text')).toBe('thrown as text');
    expect(messageOf(undefined)).toBe('undefined');
  });

  it('is never empty for an error: its parts speak for it, or its name', () => {
    expect(messageOf(new AggregateError([new Error('one'), new Error('other')]))).toBe(
      'one; other',
    );
    expect(messageOf(new AggregateError([]))).toBe('AggregateError');
    expect(messageOf(new RangeError())).toBe('RangeError');
  });

  it('names the port where none of the addresses of a host answers', async () => {
    const port = await closedPort();
    const lookup: LookupFunction = (_host, _options, done) =>
      done(null, [
        { address: '127.0.0.1', family: 4 },
        { address: '::1', family: 6 },
      ]);
    const error = await new Promise((resolve) => {
      const socket = connect({ host: 'several', port, lookup, autoSelectFamily: true });
      socket.on('error', resolve);
    });
    expect(error).toBeInstanceOf(AggregateError);
    expect(messageOf(error)).toContain(`127.0.0.1:${port}`);
  });
});
