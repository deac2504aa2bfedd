import { Queue } from 'bullmq';
import { type BullQueueOptions, openBullQueue } from 'failsoft/queue-bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { DeferredQueue } from '../../../src/fallback/deferred/queue.js';
import { deferredQueueContract, job } from './deferred-queue.contract.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';

describe.skipIf(!hasRedis)('with a real redis-server', () => {
  let redis: RedisServer;
  let queues: DeferredQueue[] = [];
  let count = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  afterEach(async () => {
    await Promise.all(queues.map((queue) => queue.close()));
    queues = [];
    vi.restoreAllMocks();
  });

  /** With a lease and a time limit that no busy machine outlasts, but for a process that is to die. */
  function open(name: string, options: Partial<BullQueueOptions> = {}): DeferredQueue {
    const connection = { host: redis.host, port: redis.port };
    const queue = openBullQueue(name, { connection, leaseMs: 600_000, timeoutMs: 30_000, ...options });
    queues.push(queue);
    return queue;
  }

  deferredQueueContract('BullMQ', async ({ dies, ...bounds }) => {
    const name = `contract-${++count}`;
    const now = Date.now;
    let aheadMs = 0;
    const stepClock = (ms: number) => {
      aheadMs += ms;
      vi.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs);
    };
    return {
      // The first process dies without a word: it is left as it is, holding its jobs.
      queue: open(name, dies ? { leaseMs: 2_000, ...bounds } : bounds),
      reopen: async () => open(name, { leaseMs: 500 }),
      epochMs: () => Date.now(),
      stepClock,
      pass: async (ms) => stepClock(ms), // the wall clock is all that it reads
    };
  });

  it('shares jobs among processes, each given to one', async () => {
    const [a, b] = [open('shared'), open('shared')];
    for (let n = 0; n < 10; n++) await a.enqueue(job(`job-${n}`));
    const taken = await Promise.all([a.take(5), b.take(5), a.take(5)]);
    expect(
      taken
        .flat()
        .map((each) => each.id)
        .toSorted(),
    ).toEqual(Array.from({ length: 10 }, (_, n) => `job-${n}`));
  });

  it('makes jobs due whose clock was set back, also where redis fails at first', async () => {
    const queue = open('set-back');
    await queue.enqueue(job('a'));
    const [taken] = await queue.take(1);
    await queue.putBack(taken ?? job('none'), 1_000);
    const now = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    vi.spyOn(Queue.prototype, 'promoteJobs').mockRejectedValueOnce(new Error('redis failed'));
    await expect(queue.take(1)).rejects.toThrow('redis failed');
    expect((await queue.take(1)).map(({ id }) => id)).toEqual(['a']);
  });

  it('has the jobs that it accepted before redis was killed', async () => {
    const queue = open('killed');
    for (let n = 0; n < 10; n++) await queue.enqueue(job(`job-${n}`));
    await redis.kill();
    await redis.start();
    await expect.poll(async () => (await queue.counts()).waiting).toBe(10);
  });
});

describe('openBullQueue', () => {
  it.each([
    ['name', () => openBullQueue('a:b', { connection: {} })],
    ['leaseMs', () => openBullQueue('a', { connection: {}, leaseMs: 1 })],
  ])('refuses a wrong %s', (field, make) => {
    expect(make).toThrow(field);
  });
});
