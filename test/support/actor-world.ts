/** An actor system on virtual time, with its log, for tests of actors. */
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import { createRandom } from '../../src/random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { RecordingLog } from './recording-log.ts';

export type ActorWorld = {
  readonly system: ActorSystem;
  readonly clock: VirtualClock;
  readonly log: RecordingLog;
  /** Lets `ms` of virtual time pass, everything that falls due being handled on the way. */
  pass(ms: number): Promise<void>;
};

export function createActorWorld(seed = 1): ActorWorld {
  const clock = new VirtualClock();
  const log = new RecordingLog();
  const system = createActorSystem({ name: 'test', clock, random: createRandom(seed), log });
  return { system, clock, log, pass: (ms) => clock.advanceSettled(ms, () => system.idle()) };
}

/** A promise and the means to settle it: for a handler that a test holds open. */
export function createGate(): {
  readonly opened: Promise<void>;
  open(): void;
  fail(error: Error): void;
} {
  let open: () => void = () => {};
  let fail: (error: Error) => void = () => {};
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { opened, open: () => open(), fail: (error) => fail(error) };
}
