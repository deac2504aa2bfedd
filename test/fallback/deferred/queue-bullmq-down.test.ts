import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type BullQueueOptions, openBullQueue } from 'failsoft/queue-bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultPrediction } from '../../../src/fallback/default-prediction.js';
import { deferred } from '../../../src/fallback/deferred/deferred.js';
import { DeferredDrainer } from '../../../src/fallback/deferred/drainer.js';
import type { DeferredQueue } from '../../../src/fallback/deferred/queue.js';
import type { WarningEvent } from '../../../src/telemetry/events.js';
import { startInferServer } from '../infer-server.js';
import { chainOf, FakeCall, METHOD, response } from '../support.js';
import { job } from './deferred-queue.contract.js';
import { answers } from './drain.js';
import { hasRedis, type RedisServer, startRedis } from './redis.js';

const LARGE = 'A'.repeat(20_000);

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** In bytes, without what is garbage. */
function heapUsed(): number {
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

/** How long it takes, in milliseconds. */
async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

describe.skipIf(!hasRedis)('the queue on BullMQ, while Redis is not well', () => {
  let redis: RedisServer;
  let queues: DeferredQueue[];
  beforeEach(async () => {
    redis = await startRedis();
    queues = [];
  });
  afterEach(async () => {
    redis.resume();
    await Promise.all(queues.map((queue) => queue.close()));
    await redis.stop();
  });

  function open(options: Partial<BullQueueOptions> = {}): DeferredQueue {
    const queue = openBullQueue('down', {
      connection: { host: redis.host, port: redis.port },
      timeoutMs: 5_000,
      ...options,
    });
    queues.push(queue);
    return queue;
  }

  it('refuses at once while Redis is down, keeps no job for later, and goes on when Redis is back', async () => {
    const queue = open();
    expect(await queue.enqueue(job('before'))).toBe('accepted');
    await redis.kill();
    await expect
      .poll(() => queue.enqueue(job('first', { request: LARGE })).catch((error) => error.code))
      .toBe('FAILSOFT_UNAVAILABLE');
    const heapBefore = heapUsed();
    let refused = 0;
    // the test's own time is over long before if only one in a hundred of them waits for `timeoutMs`
    for (let n = 0; n < 2_000; n++)
      await queue.enqueue(job(`lost-${n}`, { request: LARGE + n })).catch(() => refused++);
    expect(refused).toBe(2_000);
    expect(heapUsed() - heapBefore).toBeLessThan(20_000_000); // not the 40 MB of the requests
    await redis.start();
    await expect.poll(() => queue.enqueue(job('after')).catch(() => 'refused')).toBe('accepted');
    expect(await queue.counts()).toMatchObject({ waiting: 2 });
    expect(await queue.take(5)).toMatchObject([{ id: 'before' }, { id: 'after' }]);
  });

  it('leaves the answer to the next strategy while Redis is down', async () => {
    const queue = open();
    expect(await queue.enqueue(job('before'))).toBe('accepted');
    await redis.kill();
    const chain = chainOf([
      deferred({ queue, acknowledge: () => response({ id: 'accepted' }) }),
      defaultPrediction(response({ id: 'default' })),
    ]);
    await expect.poll(async () => (await chain.run(new FakeCall())).answer?.source).toBe('default');
    const tookMs = await timeOf(async () => {
      const { answer, attempts } = await chain.run(new FakeCall());
      expect(answer?.source).toBe('default');
      expect(attempts).toMatchObject([{ strategy: 'deferred', result: 'failed' }]);
    });
    expect(tookMs).toBeLessThan(5_000); // `timeoutMs`
  });

  it('refuses after timeoutMs when Redis is stopped, then at once, sends no refused job later, and goes on', async () => {
    const queue = open({ timeoutMs: 3_000 });
    expect(await queue.enqueue(job('before'))).toBe('accepted');
    redis.suspend();
    await expect(queue.enqueue(job('in vain'))).rejects.toThrow('has not answered within 3000 ms');
    // the test's own time is over long before if each of them waits for `timeoutMs`
    for (let n = 0; n < 100; n++)
      await expect(queue.enqueue(job(`lost-${n}`, { request: LARGE }))).rejects.toMatchObject({
        code: 'FAILSOFT_UNAVAILABLE',
      });
    redis.resume();
    await expect.poll(() => queue.enqueue(job('after')).catch(() => 'refused')).toBe('accepted');
    const ids = new Set((await queue.take(500)).map(({ id }) => id));
    expect([...ids].filter((id) => id.startsWith('lost'))).toEqual([]);
    expect(ids.has('before') && ids.has('after')).toBe(true);
  });

  it('sends nothing again that was on its way when Redis went down', async () => {
    const queue = open({ timeoutMs: 20_000 });
    expect(await queue.enqueue(job('before'))).toBe('accepted');
    redis.suspend();
    const onItsWay = queue.enqueue(job('in vain'));
    const refused = expect(onItsWay).rejects.toThrow();
    await redis.kill();
    await redis.start();
    await refused;
    await expect.poll(() => queue.enqueue(job('after')).catch(() => 'refused')).toBe('accepted');
    expect(await queue.take(5)).toMatchObject([{ id: 'before' }, { id: 'after' }]);
  });

  it.each([
    ['jobs', 1_500, '', 1_000],
    ['bytes', 20, 'A'.repeat(2 ** 21), 8],
  ])('declines what would be too much to have on its way: %s', async (_, jobs, request, most) => {
    const queue = open({ timeoutMs: 20_000 });
    expect(await queue.enqueue(job('before'))).toBe('accepted');
    redis.suspend();
    const counts = { accepted: 0, full: 0 };
    const all = Array.from({ length: jobs }, async (_, n) => {
      counts[await queue.enqueue(job(`job-${n}`, { request }))]++;
    });
    await expect.poll(() => counts.full).toBeGreaterThanOrEqual(jobs - most);
    redis.resume();
    await Promise.all(all);
    expect(counts.accepted).toBeLessThanOrEqual(most);
    expect(counts.accepted).toBeGreaterThan(0);
    expect(await queue.counts()).toMatchObject({ waiting: counts.accepted + 1 });
  });

  it('finds the reservations of a process that died when it seems full', async () => {
    const queue = open({ maxJobs: 3 });
    const direct = new Redis({ host: redis.host, port: redis.port });
    try {
      expect(await queue.enqueue(job('real'))).toBe('accepted');
      await direct.hset('bull:down:failsoft-sizes', 'gone-1', 100, 'gone-2', 100);
      await direct.incrby('bull:down:failsoft-bytes', 200);
      expect(await queue.enqueue(job('next'))).toBe('accepted');
      expect(await direct.hkeys('bull:down:failsoft-sizes')).toEqual(['real', 'next']);
      const sizes = await direct.hvals('bull:down:failsoft-sizes');
      expect((await queue.counts()).bytes).toBe(Number(sizes[0]) + Number(sizes[1]));
    } finally {
      direct.disconnect();
    }
  });

  it('reports an onError that throws, and goes on', async () => {
    const seen: WarningEvent[] = [];
    const queue = open({
      onError: () => {
        throw new Error('a bug of the user');
      },
      onWarning: (event) => seen.push(event),
    });
    expect(await queue.enqueue(job('a'))).toBe('accepted');
    await redis.kill();
    await expect.poll(() => seen.at(-1)?.source).toBe('onError of openBullQueue');
    await expect(queue.enqueue(job('b'))).rejects.toMatchObject({ code: 'FAILSOFT_UNAVAILABLE' });
  });

  it.each(['down', 'stopped'])('closes within a bound, and its drainer too, while it is %s', async (how) => {
    const { client, stop } = await startInferServer(answers);
    const queue = open({ timeoutMs: 3_000 });
    const errors: unknown[] = [];
    const drainer = new DeferredDrainer({
      queue,
      methods: [{ method: METHOD, client }],
      onResult: () => undefined,
      onError: (error) => errors.push(error),
      pollMs: 10,
    });
    expect(await queue.enqueue(job('a', { acceptedAtMs: Date.now() }))).toBe('accepted');
    if (how === 'down') await redis.kill();
    else redis.suspend();
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    expect(await timeOf(() => drainer.close())).toBeLessThan(20_000);
    expect(await timeOf(() => queue.close())).toBeLessThan(20_000);
    await expect(queue.take(1)).rejects.toMatchObject({ code: 'FAILSOFT_CLOSED' });
    stop();
  });

  it('takes a client of ioredis as well, and leaves it open', async () => {
    const connection = new Redis({ host: redis.host, port: redis.port });
    try {
      const queue = open({ connection });
      expect(await queue.enqueue(job('a'))).toBe('accepted');
      await queue.close();
      expect(await connection.ping()).toBe('PONG');
    } finally {
      connection.disconnect();
    }
  });

  it('refuses at once when Redis was never up, and connects when it is', async () => {
    await redis.kill();
    const queue = open();
    await expect(queue.enqueue(job('a'))).rejects.toMatchObject({ code: 'FAILSOFT_UNAVAILABLE' });
    await redis.start();
    await expect.poll(() => queue.enqueue(job('b')).catch(() => 'refused')).toBe('accepted');
  });

  it('lets a process end once it is closed', async () => {
    const script = `
      const { openBullQueue } = await import('failsoft/queue-bullmq');
      const queue = openBullQueue('ends', { connection: { host: '${redis.host}', port: ${redis.port} } });
      await queue.take(1);
      await queue.close();`;
    const running = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: 'inherit',
    });
    const [code] = await once(running, 'close');
    expect(code).toBe(0);
  });
});
