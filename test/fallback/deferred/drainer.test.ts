import { credentials, type Metadata, status } from '@grpc/grpc-js';
import { createGuard } from 'failsoft';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { afterEach, describe, expect, it } from 'vitest';
import { rejectionStatus } from '../../../src/status/rejection.js';
import { type InferCall, startInferServer } from '../infer-server.js';
import { deferredPromise, METHOD } from '../support.js';
import { answers, atEnd, drain, endAll, type Handle, inferJob } from './drain.js';

afterEach(endAll);

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

  it('begins at most ratePerSecond replays in a second', async () => {
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

  it('runs at most maxConcurrent replays at a time', async () => {
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

  it('buries a job after maxFailures, with growing pauses between', async () => {
    let calls = 0;
    const dead: string[] = [];
    const { queue, clock, drainer } = await drain(
      (_, done) => {
        calls++;
        done({ code: status.INTERNAL, details: 'poison' });
      },
      { maxFailures: 3, retryMs: 100, onDead: (job, reason) => dead.push(`${job.id}: ${reason}`) },
    );
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.failures).toBe(1);
    expect(queue.dueAt.get('a')).toBe(clock.now() + 100);
    clock.advance(100);
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.failures).toBe(2);
    expect(queue.dueAt.get('a')).toBe(clock.now() + 200);
    clock.advance(200);
    drainer.wake();
    await expect.poll(() => dead).toEqual(['a: 3 replays, 3 failed, the last: INTERNAL: poison']);
    expect(queue.buried).toEqual(dead);
    expect(calls).toBe(3);
  });

  it('does not count a replay that fails in an outage', async () => {
    let ready = true;
    const { queue, drainer } = await drain(
      (_, done) => {
        ready = false; // the circuit opens on this
        done({ code: status.UNAVAILABLE, details: 'down' });
      },
      { ready: () => ready, maxFailures: 1 },
    );
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.dueAt.get('a')).toBeGreaterThan(0);
    expect(queue.jobs.get('a')?.failures).toBe(0);
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
    await expect.poll(() => queue.jobs.get('a')?.failures).toBe(1);
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
    await expect.poll(() => [...queue.jobs.values()]).toMatchObject([{ id: 'a', replays: 1, failures: 1 }]);
    await drainer.close();
  });

  it('does not count a replay that a closed client did not send', async () => {
    const { client, stop } = await startInferServer(answers);
    stop();
    client.close();
    const { queue, drainer, clock } = await drain(answers, {
      methods: [{ method: METHOD, client }],
      maxFailures: 1,
      retryMs: 10,
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.dueAt.get('a')).toBe(clock.now() + 10);
    expect(queue).toMatchObject({ buried: [] });
    expect(queue.jobs.get('a')?.failures).toBe(0);
  });

  it('begins no replay after it is closed, not even of a job that the queue gives it then', async () => {
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
    atEnd(() => process.off('warning', listen));
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

  it('replays again when onResult throws an error that looks like a refusal of the model', async () => {
    const { queue, drainer } = await drain(answers, {
      onResult: () => {
        throw Object.assign(new Error('5'), { code: status.NOT_FOUND, details: 'no such table' });
      },
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.failures).toBe(1);
    expect(queue.buried).toEqual([]);
  });

  it('does not count a replay that a circuit of the client rejected', async () => {
    const { port, stop } = await startInferServer(answers);
    const guard = createGuard();
    using held = guard.circuit(METHOD, 'demand').isolate();
    const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    atEnd(stop, () => client.close());
    const { queue, drainer, results, clock } = await drain(answers, {
      methods: [{ method: METHOD, client }],
      maxFailures: 1,
      retryMs: 10,
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => queue.dueAt.get('a')).toBe(clock.now() + 10);
    expect(queue).toMatchObject({ buried: [] });
    expect(queue.jobs.get('a')?.failures).toBe(0);
    held.release();
    clock.advance(10);
    drainer.wake();
    await expect.poll(() => results).toEqual(['a: request a']);
  });

  it('counts a replay that the circuit of a gateway behind us rejected: it reached the gateway', async () => {
    let asked = 0;
    const { queue, drainer, clock } = await drain(
      (_, done) => {
        asked++;
        done(rejectionStatus('/s/M', { admitted: false, reason: 'CIRCUIT_OPEN', retryAfterMs: 1 }, Infinity));
      },
      { maxFailures: 3, retryMs: 10 },
    );
    await queue.enqueue(inferJob('a'));
    for (let failures = 1; failures < 3; failures++) {
      drainer.wake();
      await expect.poll(() => queue.active.size === 0 && queue.jobs.get('a')?.failures).toBe(failures);
      clock.advance(1_000);
    }
    drainer.wake();
    await expect.poll(() => queue.buried).toEqual([expect.stringContaining('3 replays, 3 failed')]);
    expect(asked).toBe(3);
  });

  it('puts a job back also when `ready` throws', async () => {
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
    await expect.poll(() => queue.dueAt.get('a')).toBeGreaterThan(0);
    expect(queue.active.size).toBe(0);
    expect(errors).toContain('Error: no idea');
  });

  it('unsubscribes from the guard when it is closed', async () => {
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

  it('survives a queue that is down, and looks again', async () => {
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

  it('closes when its running work has ended, and leaves no timer', async () => {
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
    ['maxFailures', { maxFailures: 0 }],
    ['onDead', { onDead: JSON.parse('1') }],
    ['speed', JSON.parse('{"speed":1}')],
  ])('refuses a wrong %s', async (field, options) => {
    await expect(drain(answers, options)).rejects.toThrow(`drainer.${field}`);
  });
});
