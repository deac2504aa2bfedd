import { openBullQueue } from 'failsoft/queue-bullmq';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
  });

  /** With a lease that no busy machine outlasts, but for a process that is to die. */
  function open(name: string, leaseMs = 600_000): DeferredQueue {
    const connection = { host: redis.host, port: redis.port };
    const queue = openBullQueue(name, { connection, leaseMs });
    queues.push(queue);
    return queue;
  }

  deferredQueueContract('BullMQ', async ({ dies }) => {
    const name = `contract-${++count}`;
    // The first process dies without a word: it is left as it is, holding its jobs.
    return { queue: open(name, dies ? 2_000 : undefined), reopen: async () => open(name, 500) };
  });

  it('shares jobs among processes, each given to one', async () => {
    const [a, b] = [open('shared'), open('shared')];
    for (let n = 0; n < 10; n++) await a.enqueue(job(`job-${n}`));
    const taken = await Promise.all([a.take(5, 1), b.take(5, 1), a.take(5, 1)]);
    expect(
      taken
        .flat()
        .map((each) => each.id)
        .toSorted(),
    ).toEqual(Array.from({ length: 10 }, (_, n) => `job-${n}`));
  });

  it('has what it accepted after redis was killed', async () => {
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
