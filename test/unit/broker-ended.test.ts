/** A broker that has failed for good: whoever still asks it for something is answered at once. */
import { PassThrough } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { createRandom } from '../../src/random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { RecordingLog } from '../support/recording-log.ts';

it('refuses subscriptions and closes without a wait', async () => {
  // Nobody lets this clock go on: what waits for a deadline waits for ever.
  const clock = new VirtualClock();
  const log = new RecordingLog();
  const system = createActorSystem({ name: 'test', clock, random: createRandom(1), log });
  onTestFinished(() => system.stop());
  const output = new PassThrough();
  let fail: (error: Error) => void = () => undefined;
  const failure = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const broker = await createBroker(
    { type: 'stdio', payload: 'json', input: new PassThrough(), output },
    { system, clock, log, onFailure: fail },
  );
  output.destroy();
  expect(await failure).toBeInstanceOf(FatalError);
  await system.idle();
  await expect(broker.subscribe('SEND', () => undefined)).rejects.toBeInstanceOf(
    BrokerUnavailableError,
  );
  await broker.close();
});
