import type { ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, vi } from 'vitest';
import { defaultPrediction } from '../../../src/fallback/default-prediction.js';
import { type DeferredOptions, deferred } from '../../../src/fallback/deferred/deferred.js';
import type { DeferredQueue } from '../../../src/fallback/deferred/queue.js';
import { chainOf, deferredPromise, FakeCall, METHOD, metadata, request, response } from '../support.js';
import { MemoryQueue } from './memory-queue.js';

describe('deferred', () => {
  const options = (queue: DeferredQueue): DeferredOptions<ModelInferRequest, ModelInferResponse> => ({
    queue,
    acknowledge: (asked, job) => response({ id: asked.id, modelName: `accepted as ${job.id}` }),
    expiresAfterMs: 5_000,
    metadataKeys: ['x-tenant', 'x-key-bin'],
    clock: new ManualClock(1_000_000),
  });

  it('puts the request into the queue, and then acknowledges it with the job’s id', async () => {
    const queue = new MemoryQueue();
    const sent = metadata({ authorization: 'secret', 'x-tenant': 'a', 'x-key-bin': Buffer.from([1, 2]) });
    const call = new FakeCall({ request: request({ id: '7' }), metadata: sent });
    const { answer } = await chainOf([deferred(options(queue))]).run(call);
    const [job] = queue.jobs.values();
    expect(answer).toMatchObject({
      source: 'deferred',
      metadata: { 'failsoft-job-id': job?.id },
      message: { id: '7', modelName: `accepted as ${job?.id}` },
    });
    expect(job).toMatchObject({
      method: METHOD.path,
      metadata: [
        ['x-tenant', 'a'],
        ['x-key-bin', 'AQI='],
      ],
      acceptedAtMs: 1_000_000,
      expiresAtMs: 1_005_000,
      replays: 0,
      failures: 0,
      excused: 0,
    });
    expect(METHOD.requestDeserialize(Buffer.from(job?.request ?? '', 'base64'))).toEqual(
      request({ id: '7' }),
    );
    expect(JSON.stringify(job)).not.toContain('secret');
  });

  it('acknowledges no job that the queue refused', async () => {
    const queue = new MemoryQueue();
    queue.broken = true;
    const { answer, attempts } = await chainOf([deferred(options(queue))]).run(new FakeCall());
    expect(answer).toBeUndefined();
    expect(attempts).toMatchObject([
      { strategy: 'deferred', result: 'failed', error: { message: 'disk full' } },
    ]);
  });

  it('declines while the queue is full, so that the next strategy is asked', async () => {
    const queue = new MemoryQueue();
    queue.maxJobs = 1;
    const chain = chainOf([
      deferred(options(queue)),
      defaultPrediction<ModelInferRequest, ModelInferResponse>(response({ id: 'default' })),
    ]);
    expect((await chain.run(new FakeCall())).answer?.source).toBe('deferred');
    const { answer, attempts } = await chain.run(new FakeCall());
    expect(answer?.source).toBe('default');
    expect(attempts).toMatchObject([{ strategy: 'deferred', result: 'declined' }]);
    expect(queue.jobs.size).toBe(1);
  });

  it('stamps a job with the wall clock, which goes on while the machine sleeps', async () => {
    const queue = new MemoryQueue();
    const clock = new ManualClock(1_000_000);
    clock.stepEpoch(5 * 3_600_000);
    await chainOf([deferred({ ...options(queue), clock })]).run(new FakeCall());
    const [job] = queue.jobs.values();
    expect(job).toMatchObject({ acceptedAtMs: 19_000_000, expiresAtMs: 19_005_000 });
  });

  it.each([
    ['throws', () => JSON.parse('{')],
    ['is no message', () => JSON.parse('7')],
  ])('accepts nothing when the acknowledgement %s', async (_, acknowledge) => {
    const queue = new MemoryQueue();
    const { attempts } = await chainOf([deferred({ ...options(queue), acknowledge })]).run(new FakeCall());
    expect(attempts).toMatchObject([{ result: 'failed' }]);
    expect(queue.jobs.size).toBe(0);
  });

  it.each(['deadline', 'cancelled'] as const)(
    'withdraws a job that is accepted too late: %s',
    async (cause) => {
      const queue = new MemoryQueue();
      const disk = deferredPromise<undefined>();
      queue.gate = disk.promise;
      const withdrawn = vi.spyOn(queue, 'withdraw');
      const call = new FakeCall();
      const told = chainOf([
        deferred(options(queue)),
        defaultPrediction<ModelInferRequest, ModelInferResponse>(response({ id: 'default' })),
      ]).run(call);
      call.abort(cause);
      expect((await told).answer?.source).toBe(cause === 'deadline' ? 'default' : undefined);
      expect(queue.jobs.size).toBe(0);
      disk.resolve(undefined);
      await expect.poll(() => withdrawn.mock.results.length).toBe(1);
      expect(await withdrawn.mock.results[0]?.value).toBe(true);
      expect(queue.jobs.size).toBe(0);
    },
  );

  it('withdraws a job that a queue may have although the enqueue failed', async () => {
    const queue = new MemoryQueue();
    vi.spyOn(queue, 'enqueue').mockImplementation(async (job) => {
      queue.jobs.set(job.id, job);
      throw new Error('connection lost'); // after it was sent
    });
    const { attempts } = await chainOf([deferred(options(queue))]).run(new FakeCall());
    expect(attempts).toMatchObject([{ result: 'failed', error: { message: 'connection lost' } }]);
    await expect.poll(() => queue.jobs.size).toBe(0);
  });

  it('ids sort by the time of acceptance', async () => {
    const queue = new MemoryQueue();
    const clock = new ManualClock(35 ** 6);
    const chain = chainOf([deferred({ ...options(queue), clock })]);
    for (let n = 0; n < 20; n++) {
      await chain.run(new FakeCall());
      clock.advance(7);
    }
    const ids = [...queue.jobs.keys()];
    expect(ids.toSorted()).toEqual(ids);
  });
});
