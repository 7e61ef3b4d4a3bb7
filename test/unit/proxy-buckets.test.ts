/** Which buckets a proxy keeps when it has as many as it may. */
import { describe, expect, it } from 'vitest';
import { BUCKET_LOOKS_MAX, BUCKETS_MAX } from '../../protocols/limits.ts';
import type { RestRequest } from '../../protocols/proxy.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { ProxyBuckets } from '../../supervisors/proxy-buckets.ts';
import type { Gate } from '../../supervisors/proxy-gates.ts';
import { RecordingLog } from '../support/recording-log.ts';

/** Buckets whose actors do nothing. */
function open() {
  const retired: string[] = [];
  const buckets = new ProxyBuckets({
    clock: new VirtualClock(),
    log: new RecordingLog(),
    sharedLimits: null,
    spawn: (path, _behaviour, bucket) => ({
      path,
      tell: (message) => {
        if (message.kind === 'retire') retired.push(bucket.key);
      },
    }),
    shut: () => undefined,
  });
  const gate = {
    ref: { path: '', tell: () => undefined },
    buckets: new Set(),
  } as unknown as Gate;
  const bucketOf = (major: number) => {
    const route = { major: String(major), family: 'channels' };
    return buckets.for({ identity: 'bot', route } as RestRequest, gate);
  };
  return { buckets, retired, bucketOf };
}

describe('a proxy with as many buckets as it may have', () => {
  it('forgets the one used longest ago of those that have nothing to do', () => {
    const { buckets, retired, bucketOf } = open();
    for (let major = 0; major < BUCKETS_MAX; major++) bucketOf(major);
    // The first is used again, and the second has a request.
    bucketOf(0);
    bucketOf(1)?.tickets.set(1, {} as never);
    bucketOf(BUCKETS_MAX);
    expect(retired).toEqual(['bot|2']);
    expect(buckets.count).toBe(BUCKETS_MAX);
  });

  it('refuses when those used longest ago are all busy, and looks at others the next time', () => {
    const { retired, bucketOf } = open();
    for (let major = 0; major < BUCKETS_MAX; major++) {
      const bucket = bucketOf(major);
      if (major < BUCKET_LOOKS_MAX) bucket?.tickets.set(1, {} as never);
    }
    expect(bucketOf(BUCKETS_MAX)).toBeNull();
    expect(retired).toEqual([]);
    expect(bucketOf(BUCKETS_MAX)).not.toBeNull();
    expect(retired).toEqual([`bot|${BUCKET_LOOKS_MAX}`]);
  });
});
