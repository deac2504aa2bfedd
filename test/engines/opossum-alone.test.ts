import CircuitBreaker from 'opossum';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

// What docs/decisions says of opossum without the adapter. When one of these fails, opossum has changed: the page and
// the adapter may become simpler.

const options = { timeout: false, resetTimeout: 1000, volumeThreshold: 2 } as const;
const ignore = () => {};

interface Answers {
  resolve(value: string): void;
  reject(error: Error): void;
}

/** A breaker whose calls are answered by hand. */
function breakerWith(more: CircuitBreaker.Options = {}) {
  const calls: Answers[] = [];
  const breaker = new CircuitBreaker(
    () => new Promise<string>((resolve, reject) => calls.push({ resolve, reject })),
    { ...options, ...more },
  );
  const fire = () => {
    breaker.fire().catch(ignore);
  };
  const end = async (index: number, error?: Error) => {
    if (error) calls[index]?.reject(error);
    else calls[index]?.resolve('answer');
    await vi.advanceTimersByTimeAsync(0);
  };
  return { breaker, fire, end };
}

const failed = new Error('failed');

describe('opossum alone', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is closed by a success that began before the trip', async () => {
    const { breaker, fire, end } = breakerWith();
    for (let i = 0; i < 3; i++) fire();
    await end(1, failed);
    await end(2, failed);
    await vi.advanceTimersByTimeAsync(1000);
    expect(breaker.halfOpen).toBe(true);
    await end(0);
    expect(breaker.closed).toBe(true);
  });

  it('is closed by a probe that its caller cancelled', async () => {
    const { breaker, fire, end } = breakerWith({ errorFilter: (error) => error === failed });
    breaker.open();
    await vi.advanceTimersByTimeAsync(1000);
    fire();
    await end(0, failed);
    expect(breaker.closed).toBe(true);
  });

  it('rejects for ever when its probe hangs and it has no timeout', async () => {
    const { breaker, fire } = breakerWith();
    breaker.open();
    await vi.advanceTimersByTimeAsync(1000);
    fire();
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect([breaker.halfOpen, breaker.pendingClose]).toEqual([true, false]);
  });

  it('is opened by calls over its own capacity', async () => {
    const { breaker, fire } = breakerWith({ capacity: 1 });
    for (let i = 0; i < 4; i++) fire();
    await vi.advanceTimersByTimeAsync(0);
    expect(breaker.opened).toBe(true);
  });

  it('counts its own rejections as calls that did not fail', async () => {
    const { breaker, fire, end } = breakerWith();
    for (let i = 0; i < 2; i++) fire();
    await end(0, failed);
    await end(1, failed);
    for (let i = 0; i < 100; i++) fire();
    await vi.advanceTimersByTimeAsync(1000);
    fire();
    await end(2);
    expect(breaker.closed).toBe(true);
    let more = 0;
    for (; breaker.closed && more < 1000; more++) {
      fire();
      await end(3 + more, failed);
    }
    expect(more).toBeGreaterThan(90);
  });

  it('counts calls in flight as calls that did not fail', async () => {
    const { breaker, fire, end } = breakerWith();
    for (let i = 0; i < 100; i++) fire();
    for (let i = 0; i < 50; i++) await end(i, failed);
    expect(breaker.closed).toBe(true);
    await end(50, failed);
    expect(breaker.opened).toBe(true);
  });

  it('sets two intervals, and a timer while it is open', () => {
    const { breaker } = breakerWith();
    expect(vi.getTimerCount()).toBe(2);
    breaker.open();
    expect(vi.getTimerCount()).toBe(3);
  });

  it('writes its defaults into the object of the caller', () => {
    const own: CircuitBreaker.Options = { timeout: false };
    new CircuitBreaker(async () => 1, own).shutdown();
    expect(Object.keys(own).length).toBeGreaterThan(10);
  });
});
