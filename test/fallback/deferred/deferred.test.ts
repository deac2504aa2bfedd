import { credentials, type Metadata, status } from '@grpc/grpc-js';
import { createGuard } from 'failsoft';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultPrediction } from '../../../src/fallback/default-prediction.js';
import { type DeferredOptions, deferred } from '../../../src/fallback/deferred/deferred.js';
import { DeferredDrainer, type DrainerOptions } from '../../../src/fallback/deferred/drainer.js';
import type { DeferredJob, DeferredQueue } from '../../../src/fallback/deferred/queue.js';
import { type InferCall, startInferServer } from '../infer-server.js';
import { chainOf, deferredPromise, FakeCall, METHOD, metadata, request, response } from '../support.js';
import { job as jobOf } from './deferred-queue.contract.js';

/** A queue in memory that follows the contract; what it was told is a log. */
class MemoryQueue implements DeferredQueue {
  readonly jobs = new Map<string, DeferredJob>();
  readonly active = new Set<string>();
  readonly buried: string[] = [];
  broken = false;
  /** Until when it takes nothing on; it may be long. */
  gate: Promise<unknown> = Promise.resolve();

  async enqueue(job: DeferredJob) {
    await this.gate;
    if (this.broken) throw new Error('disk full');
    this.jobs.set(job.id, job);
  }
  async withdraw(job: DeferredJob) {
    return !this.active.has(job.id) && this.jobs.delete(job.id);
  }
  async take(limit: number, nowMs: number) {
    await this.gate;
    if (this.broken) throw new Error('disk gone');
    const due = [...this.jobs.values()].filter((job) => !this.active.has(job.id) && job.notBeforeMs <= nowMs);
    for (const job of due.slice(0, limit)) this.active.add(job.id);
    return due.slice(0, limit);
  }
  async complete(job: DeferredJob) {
    this.jobs.delete(job.id);
    this.active.delete(job.id);
  }
  async putBack(job: DeferredJob) {
    this.jobs.set(job.id, job);
    this.active.delete(job.id);
  }
  async bury(job: DeferredJob, reason: string) {
    await this.complete(job);
    this.buried.push(`${job.id}: ${reason}`);
  }
  async dead() {
    return [];
  }
  async counts() {
    return { waiting: this.jobs.size - this.active.size, active: this.active.size, dead: this.buried.length };
  }
  async close() {}
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Handle = Parameters<typeof startInferServer>[0];
const answers: Handle = (call, done) => done(null, response({ id: call.request.id }));

async function drain(handle: Handle, options: Partial<DrainerOptions> = {}) {
  const { client, stop } = await startInferServer(handle);
  ends.push(stop);
  const queue = new MemoryQueue();
  const clock = new ManualClock(1_000_000);
  const results: string[] = [];
  const drainer = new DeferredDrainer({
    queue,
    methods: [{ method: METHOD, client }],
    ratePerSecond: Infinity,
    clock,
    onResult: ({ job, response: given }) => void results.push(`${job.id}: ${nameOf(given)}`),
    ...options,
  });
  ends.push(() => drainer.close());
  return { queue, clock, results, drainer };
}

const nameOf = (given: unknown) =>
  typeof given === 'object' && given !== null && 'id' in given ? String(given.id) : '?';

const inferJob = (id: string, fields: Partial<DeferredJob> = {}) =>
  jobOf(id, {
    method: METHOD.path,
    request: METHOD.requestSerialize(request({ id: `request ${id}` })).toString('base64'),
    metadata: [],
    ...fields,
  });

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
      attempts: 0,
    });
    expect(METHOD.requestDeserialize(Buffer.from(job?.request ?? '', 'base64'))).toEqual(
      request({ id: '7' }),
    );
    expect(JSON.stringify(job)).not.toContain('secret');
  });

  it('acknowledges nothing that the queue did not take', async () => {
    const queue = new MemoryQueue();
    queue.broken = true;
    const { answer, attempts } = await chainOf([deferred(options(queue))]).run(new FakeCall());
    expect(answer).toBeUndefined();
    expect(attempts).toMatchObject([
      { strategy: 'deferred', result: 'failed', error: { message: 'disk full' } },
    ]);
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

  it.each(['deadline', 'cancelled'] as const)('takes back what is accepted too late: %s', async (cause) => {
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
  });

  it('takes back what a queue may have although it says that it failed', async () => {
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

describe('the drainer', () => {
  it('replays with the idempotency key and the kept metadata, and hands on the results', async () => {
    const seen: Metadata[] = [];
    const { queue, results, drainer } = await drain((call: InferCall, done) => {
      seen.push(call.metadata);
      answers(call, done);
    });
    await queue.enqueue(
      inferJob('a', {
        metadata: [
          ['x-tenant', 't'],
          ['x-bin', 'AQI='],
        ],
      }),
    );
    await queue.enqueue(inferJob('b'));
    drainer.wake();
    await expect.poll(() => results.toSorted()).toEqual(['a: request a', 'b: request b']);
    const first = seen.find((each) => each.get('failsoft-idempotency-key')[0] === 'a');
    expect(first?.get('x-tenant')).toEqual(['t']);
    expect(first?.get('x-bin')).toEqual([Buffer.from([1, 2])]);
    await expect.poll(() => queue.jobs.size).toBe(0);
  });

  it('waits until it is ready, and is woken by a transition', async () => {
    let ready = false;
    let transition: () => void = () => undefined;
    const { queue, results, drainer } = await drain(answers, {
      ready: () => ready,
      guard: {
        on: (_name, listener) => {
          transition = listener;
        },
      },
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await new Promise((resolve) => setImmediate(resolve));
    expect(queue.active.size).toBe(0);
    ready = true;
    transition();
    await expect.poll(() => results).toEqual(['a: request a']);
  });

  it('begins no more replays in a second than it may', async () => {
    const { queue, results, clock } = await drain(answers, { ratePerSecond: 10 });
    for (let n = 0; n < 3; n++) await queue.enqueue(inferJob(`${n}`));
    // The first look found nothing; the poll finds all three and takes one.
    await expect.poll(() => clock.pendingTimers).toBe(1);
    clock.advance(1_000);
    await expect.poll(() => results.length).toBe(1);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    clock.advance(99);
    await new Promise((resolve) => setImmediate(resolve));
    expect(queue.active.size).toBe(0);
    clock.advance(1);
    await expect.poll(() => results.length).toBe(2);
  });

  it('has no more replays running than it may', async () => {
    const waiting: (() => void)[] = [];
    const { queue, results, drainer } = await drain(
      (call, done) => void waiting.push(() => answers(call, done)),
      {
        maxConcurrent: 2,
      },
    );
    for (let n = 0; n < 5; n++) await queue.enqueue(inferJob(`${n}`));
    drainer.wake();
    await expect.poll(() => waiting.length).toBe(2);
    expect(queue.active.size).toBe(2);
    while (results.length < 5) {
      waiting.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('buries a job after maxAttempts, with growing pauses between', async () => {
    let calls = 0;
    const dead: string[] = [];
    const { queue, clock, drainer } = await drain(
      (_, done) => {
        calls++;
        done({ code: status.INTERNAL, details: 'poison' });
      },
      { maxAttempts: 3, retryMs: 100, onDead: (job, reason) => dead.push(`${job.id}: ${reason}`) },
    );
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.attempts).toBe(1);
    expect(queue.jobs.get('a')?.notBeforeMs).toBe(clock.now() + 100);
    clock.advance(100);
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.attempts).toBe(2);
    expect(queue.jobs.get('a')?.notBeforeMs).toBe(clock.now() + 200);
    clock.advance(200);
    drainer.wake();
    await expect.poll(() => dead).toEqual(['a: 3 attempts, the last: INTERNAL: poison']);
    expect(queue.buried).toEqual(dead);
    expect(calls).toBe(3);
  });

  it('does not count what fails in an outage', async () => {
    let ready = true;
    const { queue, drainer } = await drain(
      (_, done) => {
        ready = false; // the circuit opens on this
        done({ code: status.UNAVAILABLE, details: 'down' });
      },
      { ready: () => ready, maxAttempts: 1 },
    );
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.notBeforeMs).toBeGreaterThan(0);
    expect(queue.jobs.get('a')?.attempts).toBe(0);
    expect(queue.buried).toEqual([]);
  });

  it.each([
    ['a request that the model refuses', {}, 'INVALID_ARGUMENT: shape'],
    ['what has expired', { expiresAtMs: 999_999 }, 'expired'],
    [
      'what cannot be read',
      { metadata: [['x-tenant', '\n']] as const },
      'unreadable: Metadata string value "\n" contains illegal characters',
    ],
    ['a method that it has no client for', { method: '/s/Other' }, 'no client for /s/Other'],
  ])('buries %s at once', async (_, fields, reason) => {
    const { queue, drainer } = await drain((_call, done) =>
      done({ code: status.INVALID_ARGUMENT, details: 'shape' }),
    );
    await queue.enqueue(inferJob('a', fields));
    drainer.wake();
    await expect.poll(() => queue.buried).toEqual([`a: ${reason}`]);
  });

  it('replays again when onResult fails: the result was not handed on', async () => {
    let fails = true;
    const { queue, drainer, clock } = await drain(answers, {
      retryMs: 10,
      onResult: async () => {
        if (fails) throw new Error('the database is down');
      },
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.attempts).toBe(1);
    fails = false;
    clock.advance(10);
    drainer.wake();
    await expect.poll(() => queue.jobs.size).toBe(0);
    expect(queue.buried).toEqual([]);
  });

  it('replays again when onResult hangs, which holds no place, and does not keep it from closing', async () => {
    const handed: string[] = [];
    const { queue, drainer, clock } = await drain(answers, {
      maxConcurrent: 1,
      retryMs: 60_000,
      resultTimeoutMs: 500,
      onResult: ({ job }) => {
        handed.push(job.id);
        return job.id === 'a' ? new Promise<never>(() => undefined) : undefined;
      },
    });
    await queue.enqueue(inferJob('a'));
    await queue.enqueue(inferJob('b'));
    drainer.wake();
    await expect.poll(() => handed).toEqual(['a']);
    clock.advance(499);
    expect(queue.active.has('a')).toBe(true);
    clock.advance(1);
    await expect.poll(() => handed).toEqual(['a', 'b']);
    await expect.poll(() => [...queue.jobs.values()]).toMatchObject([{ id: 'a', attempts: 1 }]);
    await drainer.close();
  });

  it('does not count what a closed client did not send', async () => {
    const { client, stop } = await startInferServer(answers);
    stop();
    client.close();
    const { queue, drainer, clock } = await drain(answers, {
      methods: [{ method: METHOD, client }],
      maxAttempts: 1,
      retryMs: 10,
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.notBeforeMs).toBe(clock.now() + 10);
    expect(queue).toMatchObject({ buried: [] });
    expect(queue.jobs.get('a')?.attempts).toBe(0);
  });

  it('begins nothing after it is closed, not even what the queue gives it then', async () => {
    let asked = 0;
    const { queue, drainer, clock } = await drain((call: InferCall, done) => {
      asked++;
      answers(call, done);
    });
    await expect.poll(() => clock.pendingTimers).toBe(1); // the first look found nothing
    await queue.enqueue(inferJob('a'));
    const disk = deferredPromise<undefined>();
    queue.gate = disk.promise;
    drainer.wake();
    const closed = drainer.close();
    disk.resolve(undefined);
    await closed;
    expect(asked).toBe(0);
    expect(queue.active.size).toBe(0);
    expect(queue.jobs.get('a')).toEqual(inferJob('a'));
  });

  it('reports an onDead that rejects', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error) => warnings.push(warning.message);
    process.on('warning', listen);
    ends.push(() => process.off('warning', listen));
    const { queue, drainer } = await drain(answers, {
      onDead: async () => {
        throw new Error('the pager is down');
      },
    });
    await queue.enqueue(inferJob('a', { expiresAtMs: 1 }));
    drainer.wake();
    await expect.poll(() => warnings.join()).toContain('the pager is down');
    expect(queue.buried).toEqual(['a: expired']);
  });

  it('replays again when what onResult throws looks like a refusal of the model', async () => {
    const { queue, drainer } = await drain(answers, {
      onResult: () => {
        throw Object.assign(new Error('5'), { code: status.NOT_FOUND, details: 'no such table' });
      },
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.attempts).toBe(1);
    expect(queue.buried).toEqual([]);
  });

  it('does not count what a circuit of the client did not let out', async () => {
    const { port, stop } = await startInferServer(answers);
    const guard = createGuard();
    using held = guard.circuit(METHOD).isolate();
    const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    ends.push(stop, () => client.close());
    const { queue, drainer, results, clock } = await drain(answers, {
      methods: [{ method: METHOD, client }],
      maxAttempts: 1,
      retryMs: 10,
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.notBeforeMs).toBe(clock.now() + 10);
    expect(queue).toMatchObject({ buried: [] });
    expect(queue.jobs.get('a')?.attempts).toBe(0);
    held.release();
    clock.advance(10);
    drainer.wake();
    await expect.poll(() => results).toEqual(['a: request a']);
  });

  it('puts a job back also when nobody can say whether it is ready', async () => {
    const errors: string[] = [];
    let known = true;
    const failing: Handle = (_, done) => {
      known = false;
      done({ code: status.UNAVAILABLE, details: 'down' });
    };
    const { queue, drainer } = await drain(failing, {
      ready: () => {
        if (!known) throw new Error('no idea');
        return true;
      },
      onError: (error) => errors.push(String(error)),
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.notBeforeMs).toBeGreaterThan(0);
    expect(queue.active.size).toBe(0);
    expect(errors).toContain('Error: no idea');
  });

  it('lets go of the guard when it is closed', async () => {
    const listeners = new Set<() => void>();
    const { drainer } = await drain(answers, {
      guard: {
        on: (_name, listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
    });
    expect(listeners.size).toBe(1);
    await drainer.close();
    expect(listeners.size).toBe(0);
  });

  it('outlives a queue that is down, and looks again', async () => {
    const errors: string[] = [];
    const { queue, results, clock, drainer } = await drain(answers, {
      onError: (error) => errors.push(String(error)),
    });
    await queue.enqueue(inferJob('a'));
    queue.broken = true;
    drainer.wake();
    await expect.poll(() => clock.pendingTimers).toBe(1);
    expect(errors).toEqual(['Error: disk gone']);
    queue.broken = false;
    clock.advance(1_000);
    await expect.poll(() => results).toEqual(['a: request a']);
  });

  it('closes after what it is doing, and leaves no timer', async () => {
    const waiting: (() => void)[] = [];
    const { queue, results, clock, drainer } = await drain(
      (call, done) => void waiting.push(() => answers(call, done)),
    );
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => waiting.length).toBe(1);
    const closed = drainer.close();
    waiting[0]?.();
    await closed;
    expect(results).toEqual(['a: request a']);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ['methods', { methods: [] }],
    ['ratePerSecond', { ratePerSecond: 0 }],
    ['maxAttempts', { maxAttempts: 0 }],
    ['onDead', { onDead: JSON.parse('1') }],
    ['speed', JSON.parse('{"speed":1}')],
  ])('refuses a wrong %s', async (field, options) => {
    await expect(drain(answers, options)).rejects.toThrow(`drainer.${field}`);
  });
});
