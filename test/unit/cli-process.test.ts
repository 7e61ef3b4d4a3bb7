import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { FatalError, StopDeadlineError } from '../../protocols/errors.ts';
import { PROCESS_STOP_DEADLINE_MS, SIGNAL_ECHO_MS } from '../../protocols/limits.ts';
import { type HostProcess, runProcess } from '../../src/cli/run-process.ts';
import type { RunningService, ServiceRuntime } from '../../src/cli/services.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { RecordingLog } from '../support/recording-log.ts';

/** A process that is told to exit and does not. */
class FakeProcess extends EventEmitter implements HostProcess {
  readonly exits: number[] = [];
}

function deferred<Value>() {
  let resolve: (value: Value) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<Value>((take, refuse) => {
    resolve = take;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

class FakeService implements RunningService {
  readonly ended = deferred<void>();
  readonly stopped = deferred<void>();
  stops = 0;
  get done(): Promise<void> {
    return this.ended.promise;
  }
  stop(): Promise<void> {
    this.stops += 1;
    return this.stopped.promise;
  }
}

function world(start?: (runtime: ServiceRuntime) => Promise<RunningService>) {
  const host = new FakeProcess();
  const clock = new VirtualClock();
  const log = new RecordingLog();
  const service = new FakeService();
  const reported: unknown[] = [];
  const report = (error: unknown) => {
    reported.push(error);
    return 1;
  };
  const run = runProcess(start ?? (async () => service), {
    host,
    exit: (status) => host.exits.push(status),
    clock,
    log,
    report,
  });
  // A rejection is looked at by the test, perhaps later than the next turn.
  run.catch(() => {});
  return { host, clock, log, service, run, reported };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a process that runs a service', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stops it on %s and is then done with 0',
    async (signal) => {
      const { host, service, run } = world();
      await settle();
      host.emit(signal, signal);
      await settle();
      expect(service.stops).toBe(1);
      service.stopped.resolve();
      expect(await run).toBe(0);
      expect(host.exits).toEqual([]);
    },
  );

  it('exits at once on a second signal', async () => {
    const { host, clock } = world();
    await settle();
    host.emit('SIGTERM', 'SIGTERM');
    await clock.advance(SIGNAL_ECHO_MS);
    expect(host.exits).toEqual([]);
    host.emit('SIGINT', 'SIGINT');
    expect(host.exits).toEqual([130]);
  });

  it('does not take the echo of a signal for a second one', async () => {
    const { host, clock, service, run } = world();
    await settle();
    host.emit('SIGINT', 'SIGINT');
    await clock.advance(SIGNAL_ECHO_MS - 1);
    host.emit('SIGINT', 'SIGINT');
    service.stopped.resolve();
    expect(await run).toBe(0);
    expect(host.exits).toEqual([]);
  });

  it('gives up on a stop that takes too long', async () => {
    const { host, clock, run } = world();
    await settle();
    host.emit('SIGTERM', 'SIGTERM');
    await settle();
    await clock.advance(PROCESS_STOP_DEADLINE_MS - 1);
    expect(await Promise.race([run, settle().then(() => 'still waiting')])).toBe('still waiting');
    await clock.advance(1);
    await expect(run).rejects.toBeInstanceOf(StopDeadlineError);
  });

  it('gives up on a start that ignores the signal', async () => {
    const { host, clock, run } = world(() => new Promise(() => {}));
    host.emit('SIGTERM', 'SIGTERM');
    await settle();
    await clock.advance(PROCESS_STOP_DEADLINE_MS);
    await expect(run).rejects.toBeInstanceOf(StopDeadlineError);
  });

  it('tells a start that it is to stop, and takes its refusal for a stop', async () => {
    const { host, run } = world(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    host.emit('SIGINT', 'SIGINT');
    expect(await run).toBe(0);
  });

  it('stops a service that came up only after the signal', async () => {
    const started = deferred<RunningService>();
    const { host, service, run } = world(() => started.promise);
    host.emit('SIGINT', 'SIGINT');
    started.resolve(service);
    await settle();
    expect(service.stops).toBe(1);
    service.stopped.resolve();
    expect(await run).toBe(0);
  });

  it('stops a service that failed, and fails with its reason', async () => {
    const { service, run } = world();
    const reason = new FatalError('the token is refused');
    service.stopped.resolve();
    service.ended.reject(reason);
    await expect(run).rejects.toBe(reason);
    expect(service.stops).toBe(1);
  });

  it('keeps the reason when the failed service does not stop either', async () => {
    const { service, run, log } = world();
    const reason = new FatalError('the token is refused');
    service.stopped.reject(new Error('stuck'));
    service.ended.reject(reason);
    await expect(run).rejects.toBe(reason);
    expect(log.at('error')).toHaveLength(1);
  });

  it('is done when the service is', async () => {
    const { service, run } = world();
    service.stopped.resolve();
    service.ended.resolve();
    expect(await run).toBe(0);
    expect(service.stops).toBe(1);
  });

  it('fails as its start fails', async () => {
    const reason = new FatalError('no');
    const { run } = world(() => Promise.reject(reason));
    await expect(run).rejects.toBe(reason);
  });

  it.each(['uncaughtException', 'unhandledRejection'])('reports an %s and exits', async (event) => {
    const { host, reported } = world();
    await settle();
    const error = new TypeError('bug');
    host.emit(event, error);
    expect(reported).toEqual([error]);
    expect(host.exits).toEqual([1]);
  });

  it('reports the first of several that nobody caught, and no more', async () => {
    const { host, reported } = world();
    await settle();
    for (const event of ['unhandledRejection', 'uncaughtException', 'unhandledRejection']) {
      host.emit(event, new TypeError(event));
    }
    expect(reported).toEqual([new TypeError('unhandledRejection')]);
    expect(host.exits).toEqual([1]);
  });

  it('leaves no listener behind', async () => {
    const { host, service, run } = world();
    service.stopped.resolve();
    service.ended.resolve();
    await run;
    expect(host.eventNames()).toEqual([]);
  });
});
