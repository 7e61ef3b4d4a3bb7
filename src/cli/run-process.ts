/**
 * The life of a process that runs a service: start, wait, stop on a signal, exit.
 *
 * The first SIGINT or SIGTERM stops the service, also while it is still starting; the second one
 * ends the process at once. One that follows the first closely is its echo: a terminal sends Ctrl-C
 * to every process of the group, and npm sends what it gets once more to the one it runs. A stop
 * that does not come to its end within the deadline ends the process too, as a failure. What nobody
 * caught is a programming error: it is reported and the process ends, since nothing is known about
 * its state any more.
 */
import { constants } from 'node:os';
import { withDeadline } from '../../actors/deadline.ts';
import { StopDeadlineError } from '../../protocols/errors.ts';
import { PROCESS_STOP_DEADLINE_MS, SIGNAL_ECHO_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import { EXIT_STOPPED } from './failure.ts';
import type { RunningService, ServiceRuntime } from './services.ts';

/** The part of `process` that is used, so that a test can be the process. */
export interface HostProcess {
  on(signal: 'SIGINT' | 'SIGTERM', listener: (signal: 'SIGINT' | 'SIGTERM') => void): unknown;
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: (signal: 'SIGINT' | 'SIGTERM') => void): unknown;
  off(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  off(event: 'unhandledRejection', listener: (reason: unknown) => void): unknown;
}

export type ProcessSurroundings = {
  readonly host: HostProcess;
  /** Ends the process, once its last words are out. */
  exit(status: number): void;
  readonly clock: Clock;
  readonly log: Log;
  /** Reports an error that nobody caught and returns the exit status. */
  report(error: unknown): number;
};

/**
 * Runs a service to its end. Resolves with the exit status when it was stopped or has finished, and
 * rejects with the reason when it cannot start, cannot go on or does not stop.
 */
export async function runProcess(
  start: (runtime: ServiceRuntime) => Promise<RunningService>,
  { host, exit, clock, log, report }: ProcessSurroundings,
): Promise<number> {
  const stopping = new AbortController();
  const stopAsked = new Promise<'stop'>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve('stop'), { once: true });
  });
  let echoUntilMs = 0;
  const onSignal = (signal: 'SIGINT' | 'SIGTERM'): void => {
    if (!stopping.signal.aborted) {
      log.info({ signal }, 'stopping; a second signal ends the process at once');
      echoUntilMs = clock.nowMs() + SIGNAL_ECHO_MS;
      stopping.abort();
    } else if (clock.nowMs() >= echoUntilMs) {
      exit(128 + constants.signals[signal]);
    }
  };
  let isCrashed = false;
  const onCrash = (error: unknown): void => {
    // The first says what went wrong; the process lives on only until its last words are out.
    if (isCrashed) return;
    isCrashed = true;
    exit(report(error));
  };
  host.on('SIGINT', onSignal);
  host.on('SIGTERM', onSignal);
  host.on('uncaughtException', onCrash);
  host.on('unhandledRejection', onCrash);
  try {
    const life = startAndWait(start, { log, signal: stopping.signal }, stopAsked, clock);
    await Promise.race([life, stopAsked.then(() => inTime(clock, life))]);
    return EXIT_STOPPED;
  } finally {
    host.off('SIGINT', onSignal);
    host.off('SIGTERM', onSignal);
    host.off('uncaughtException', onCrash);
    host.off('unhandledRejection', onCrash);
  }
}

async function startAndWait(
  start: (runtime: ServiceRuntime) => Promise<RunningService>,
  runtime: ServiceRuntime,
  stopAsked: Promise<'stop'>,
  clock: Clock,
): Promise<void> {
  let service: RunningService;
  try {
    service = await start(runtime);
  } catch (error) {
    // Whatever a start that was interrupted complains about, it is what the signal did.
    if (!runtime.signal.aborted) throw error;
    runtime.log.debug({ error }, 'the start was interrupted');
    return;
  }
  try {
    await Promise.race([service.done, stopAsked]);
  } catch (error) {
    await inTime(clock, service.stop()).catch((stopError: unknown) => {
      runtime.log.error({ error: stopError }, 'the failed service did not stop cleanly');
    });
    throw error;
  }
  await inTime(clock, service.stop());
}

/** Settles as `stop` does, or rejects when the time for stopping is over. */
function inTime(clock: Clock, stop: Promise<void>): Promise<void> {
  const late = () => new StopDeadlineError(PROCESS_STOP_DEADLINE_MS);
  return withDeadline(clock, PROCESS_STOP_DEADLINE_MS, stop, late);
}
