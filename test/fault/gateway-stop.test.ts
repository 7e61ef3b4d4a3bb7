/**
 * A gateway process that is to end while its broker is no help: it answers nothing, or has failed
 * for good. What a stop owes to Discord and to the next start is done all the same, and within its
 * time.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { startServer } from '../support/servers.ts';
import { expectKept, SHARDS, setStopStage, startGateway } from '../support/stop-stage.ts';

describe('a gateway that stops without its broker', () => {
  it.each([
    ['rabbitmq', 'amqp', 'AMQP_URL'],
    ['redis', 'redis', 'REDIS_URL'],
  ] as const)(
    'closes its shards and saves their sessions while %s answers nothing',
    async (kind, type, url) => {
      const server = await startServer(kind);
      onTestFinished(() => server.stop());
      const stage = await setStopStage();
      const gateway = startGateway(stage, { BROKER_TYPE: type, [url]: server.url });
      await gateway.log('shard is ready', SHARDS);
      server.pause();
      const askedAtEpochMs = Date.now();
      expect(await gateway.end('SIGTERM')).toEqual({ status: 0, signal: null });
      await expectKept(stage, askedAtEpochMs);
    },
    120_000,
  );

  it('closes its shards and saves their sessions when the broker fails for good', async () => {
    const stage = await setStopStage();
    const gateway = startGateway(stage, { BROKER_TYPE: 'stdio' });
    await gateway.log('shard is ready', SHARDS);
    const goneAtEpochMs = Date.now();
    gateway.closeOutput();
    expect(await gateway.ended).toEqual({ status: 1, signal: null });
    expect(gateway.stderrLines.at(-1)).toMatch(/^spectacles: whoever read the frames is gone/);
    expect(gateway.logsOf('did not stop cleanly')).toEqual([]);
    await expectKept(stage, goneAtEpochMs);
  });
});
