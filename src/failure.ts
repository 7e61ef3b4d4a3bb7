/** A promise that stays pending until somebody reports that a service cannot go on. */

export type Failure = {
  readonly promise: Promise<void>;
  /** Rejects the promise; only the first report counts. */
  readonly report: (error: Error) => void;
};

export function createFailure(): Failure {
  let report: (error: Error) => void = () => {};
  const promise = new Promise<void>((_resolve, reject) => {
    report = reject;
  });
  // A service that is being stopped has nobody who listens any more; that is no reason to crash.
  promise.catch(() => {});
  return { promise, report };
}
