/**
 * The contract over IPC, whichever end publishes, and whichever way the channel carries objects.
 */
import { afterAll } from 'vitest';
import { IpcHost } from '../../src/brokers/ipc-host.ts';
import { systemClock } from '../../src/system-clock.ts';
import { IpcRelay } from '../support/ipc-relay.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { brokerContract } from './broker-contract.ts';

/** Which of the brokers of a test is the parent's own: the first publishes, the second consumes. */
const PARENTS = { publishes: 0, consumes: 1, 'looks on': Number.POSITIVE_INFINITY } as const;

const SERIALIZATIONS = [
  ['advanced', ['publishes', 'consumes', 'looks on']],
  ['json', ['looks on']],
] as const;

for (const [serialization, roles] of SERIALIZATIONS) {
  const relay = new IpcRelay(serialization);
  afterAll(() => relay.stop());
  for (const does of roles) {
    const parent = PARENTS[does];
    const hosts = new Map<string, { readonly host: IpcHost; joined: number }>();
    brokerContract({
      name: `IPC, ${serialization}, where the parent ${does}`,
      config(group) {
        const family = hosts.get(group) ?? {
          host: new IpcHost({ clock: systemClock, log: new RecordingLog() }),
          joined: 0,
        };
        hosts.set(group, family);
        if (family.joined++ === parent) {
          return { type: 'ipc', group, payload: 'json', host: family.host };
        }
        const [parentEnd, childEnd] = relay.pair();
        family.host.serve(parentEnd, { isPlain: false });
        return { type: 'ipc', group, payload: 'json', port: childEnd };
      },
    });
  }
}
