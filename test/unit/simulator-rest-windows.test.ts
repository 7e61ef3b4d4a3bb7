import { describe, expect, it } from 'vitest';
import { createCounter } from '../../src/simulator/rest/window-counter.ts';

const takes = (counter: ReturnType<typeof createCounter>, atMs: number, times: number) =>
  Array.from({ length: times }, () => counter.take(atMs)).filter(Boolean).length;

describe('a fixed window', () => {
  const make = () => createCounter({ kind: 'fixed', limit: 3, windowMs: 1_000 });

  it('opens with the first request and is whole again at its end', () => {
    const counter = make();
    expect(takes(counter, 500, 5)).toBe(3);
    expect(counter.state(900)).toEqual({
      limit: 3,
      remaining: 0,
      resetAfterMs: 600,
      retryAfterMs: 600,
    });
    expect(counter.take(1_499.9)).toBe(false);
    expect(takes(counter, 1_500, 5)).toBe(3);
  });

  it('lets twice the limit through around an edge', () => {
    const counter = make();
    counter.take(0);
    expect(takes(counter, 999, 3) + takes(counter, 1_000, 3)).toBe(5);
  });

  it('is whole before the first request', () => {
    expect(make().state(77)).toEqual({ limit: 3, remaining: 3, resetAfterMs: 0, retryAfterMs: 0 });
  });
});

describe('a leaking bucket', () => {
  it('gives one back at a time, and its reset moves on', () => {
    const counter = createCounter({ kind: 'leaky', limit: 5, windowMs: 5_000 });
    counter.take(0);
    expect(counter.state(0)).toEqual({
      limit: 5,
      remaining: 4,
      resetAfterMs: 1_000,
      retryAfterMs: 0,
    });
    expect(takes(counter, 0, 9)).toBe(4);
    expect(counter.state(0)).toMatchObject({
      remaining: 0,
      resetAfterMs: 5_000,
      retryAfterMs: 1_000,
    });
    expect(counter.take(999)).toBe(false);
    expect(takes(counter, 1_000, 2)).toBe(1);
    expect(counter.state(1_000).resetAfterMs).toBe(5_000);
  });

  it('keeps its promise of a time when shares are no whole numbers', () => {
    const counter = createCounter({ kind: 'leaky', limit: 3, windowMs: 1_000 });
    let nowMs = 0.1;
    for (let round = 0; round < 1_000; round++) {
      while (counter.take(nowMs));
      nowMs += counter.state(nowMs).retryAfterMs;
      expect(counter.take(nowMs)).toBe(true);
    }
  });
});

describe('a sliding window', () => {
  it('frees a place when the request that took it is a window old', () => {
    const counter = createCounter({ kind: 'sliding', limit: 2, windowMs: 1_000 });
    counter.take(0);
    counter.take(400);
    expect(counter.state(500)).toEqual({
      limit: 2,
      remaining: 0,
      resetAfterMs: 900,
      retryAfterMs: 500,
    });
    expect(counter.take(999)).toBe(false);
    expect(takes(counter, 1_000, 2)).toBe(1);
    expect(takes(counter, 1_399, 1)).toBe(0);
    expect(takes(counter, 1_400, 2)).toBe(1);
  });
});
