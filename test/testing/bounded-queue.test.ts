import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { type Admission, BoundedQueue } from '../../src/testing/faults/bounded-queue.js';

function setUp(concurrency: number, maxQueued: number, timeoutMs?: number) {
  const clock = new ManualClock();
  const queue = new BoundedQueue(clock);
  queue.limit = { concurrency, maxQueued, ...(timeoutMs !== undefined && { timeoutMs }) };
  const order: string[] = [];
  const enter = (name: string, signal = new AbortController().signal) =>
    queue.enter(signal).then((admission) => {
      order.push(`${name} ${admission.kind}`);
      return admission;
    });
  return { clock, queue, order, enter };
}

const release = (admission: Admission) => {
  if (admission.kind !== 'admitted') throw new Error(`expected admitted, got ${admission.kind}`);
  admission.release();
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('BoundedQueue', () => {
  it('runs calls up to the limit, keeps calls waiting up to the other limit, and turns the next away', async () => {
    const { queue, order, enter } = setUp(1, 2);
    const first = await enter('a');
    const second = enter('b');
    void enter('c');
    await enter('d');
    expect([queue.running, queue.queued]).toEqual([1, 2]);
    release(first);
    release(await second);
    await settled();
    expect(order).toEqual(['a admitted', 'd full', 'b admitted', 'c admitted']);
    expect([queue.running, queue.queued]).toEqual([1, 0]);
  });

  it('gives a place back once, however often it is released', async () => {
    const { queue, enter } = setUp(2, 0);
    const first = await enter('a');
    await enter('b');
    release(first);
    release(first);
    expect(queue.running).toBe(1);
  });

  it('ends a wait that takes too long, and leaves no timer', async () => {
    const { clock, queue, order, enter } = setUp(1, 5, 100);
    const first = await enter('a');
    void enter('b');
    clock.advance(60);
    void enter('c');
    clock.advance(40);
    await settled();
    expect(order).toEqual(['a admitted', 'b timed-out']);
    release(first);
    await settled();
    expect(order.at(-1)).toBe('c admitted');
    expect([queue.running, queue.queued, clock.pendingTimers]).toEqual([1, 0, 0]);
  });

  it('removes a cancelled call, and the others move up', async () => {
    const { clock, queue, order, enter } = setUp(1, 2, 100);
    const controller = new AbortController();
    const first = await enter('a');
    void enter('b', controller.signal);
    void enter('c');
    controller.abort();
    await settled();
    expect(queue.queued).toBe(1);
    release(first);
    await settled();
    expect(order).toEqual(['a admitted', 'b cancelled', 'c admitted']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('turns away a call that was cancelled before it came', async () => {
    const { queue, enter } = setUp(1, 1);
    expect((await enter('a', AbortSignal.abort())).kind).toBe('cancelled');
    expect(queue.running).toBe(0);
  });

  it.each([
    ['a higher limit', { concurrency: 3, maxQueued: 0 }],
    ['no limit', undefined],
  ])('admits those that wait when it gets %s', async (_, limit) => {
    const { queue, order, enter } = setUp(1, 2);
    await enter('a');
    void enter('b');
    void enter('c');
    queue.limit = limit;
    await settled();
    expect(order).toEqual(['a admitted', 'b admitted', 'c admitted']);
    expect(queue.running).toBe(3);
  });
});
