import { describe, expect, it } from 'vitest';
import { withDeadline, within } from '../../actors/deadline.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

function deferred() {
  let resolve = (_value: string): void => undefined;
  let reject = (_reason: unknown): void => undefined;
  const work = new Promise<string>((take, refuse) => {
    resolve = take;
    reject = refuse;
  });
  return { work, resolve, reject };
}

describe('within', () => {
  it('says whether the work has settled, however it did, and leaves no timer', async () => {
    const clock = new VirtualClock();
    const [good, bad] = [deferred(), deferred()];
    const both = [within(clock, 100, good.work), within(clock, 100, bad.work)];
    good.resolve('done');
    bad.reject(new Error('no'));
    expect(await Promise.all(both)).toEqual([true, true]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('waits no longer than it may', async () => {
    const clock = new VirtualClock();
    let result: boolean | undefined;
    void within(clock, 100, deferred().work).then((isDone) => {
      result = isDone;
    });
    await clock.advance(99);
    expect(result).toBeUndefined();
    await clock.advance(1);
    expect(result).toBe(false);
  });
});

describe('withDeadline', () => {
  const late = () => new Error('late');

  it('settles as the work does, and leaves no timer', async () => {
    const clock = new VirtualClock();
    const [good, bad] = [deferred(), deferred()];
    const one = withDeadline(clock, 100, good.work, late);
    const other = withDeadline(clock, 100, bad.work, late);
    good.resolve('done');
    bad.reject(new Error('no'));
    expect(await one).toBe('done');
    await expect(other).rejects.toThrow('no');
    expect(clock.pendingTimers).toBe(0);
  });

  it('rejects when the work takes too long, and takes no notice of it afterwards', async () => {
    const clock = new VirtualClock();
    const { work, reject } = deferred();
    const result = expect(withDeadline(clock, 100, work, late)).rejects.toThrow('late');
    await clock.advance(100);
    await result;
    reject(new Error('nobody listens any more'));
  });
});
