/**
 * `new Redis(group, ioredis)`: what it reads off the client that it is given, and what it refuses.
 */
import { describe, expect, it } from 'vitest';
import { Redis } from '../../src/client/redis.ts';

const client = { options: {}, disconnect: () => undefined };

describe('the Redis class of the library', () => {
  it.each([
    [{ prefetch: 0 }, /^prefetch is 0/],
    [{ prefetch: 1.5 }, /^prefetch is 1.5/],
    [{ claimAfter: -1 }, /^claimAfter is -1/],
  ])('refuses %j, naming the option', (options, problem) => {
    expect(() => new Redis('group', client, options)).toThrow(problem);
  });

  it('disconnects the client that it was given with itself, used or not', async () => {
    let disconnects = 0;
    const given = { options: { host: 'localhost' }, disconnect: () => void disconnects++ };
    await new Redis('group', given).disconnect();
    expect(disconnects).toBe(1);
  });

  it('refuses a client of a cluster that names no addresses', async () => {
    const cluster = { ...client, isCluster: true, startupNodes: ['nonsense://'] };
    const broker = new Redis('group', cluster);
    await expect(broker.connect()).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message: expect.stringContaining('addresses'),
    });
  });
});
