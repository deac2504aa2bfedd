import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { DeferredDrainer } from '../../../src/fallback/deferred/drainer.js';
import type { WarningEvent } from '../../../src/telemetry/events.js';
import { startInferServer } from '../infer-server.js';
import { deferredPromise, METHOD } from '../support.js';
import { answers, atEnd, drain, endAll, type Handle, inferJob } from './drain.js';

afterEach(endAll);

const turn = () => new Promise((resolve) => setImmediate(resolve));
const HOUR_MS = 3_600_000;

describe('a job that does harm', () => {
  it('has counted before its replay begins', async () => {
    const seen: unknown[] = [];
    const { queue, drainer, results } = await drain((call, done) => {
      seen.push(queue.jobs.get('a')?.replays);
      answers(call, done);
    });
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => results.length).toBe(1);
    expect(seen).toEqual([1]);
  });

  it('is not replayed when the count cannot be written, and the queue is not used for a while', async () => {
    let calls = 0;
    const errors: string[] = [];
    const handle: Handle = (call, done) => {
      calls++;
      answers(call, done);
    };
    const { queue, drainer, clock, results } = await drain(handle, {
      onError: (error) => errors.push(String(error)),
      retryMs: 1,
    });
    await queue.enqueue(inferJob('a'));
    queue.save = async () => {
      throw new Error('disk full');
    };
    drainer.wake();
    await expect.poll(() => errors).toEqual(['Error: disk full']);
    for (let n = 0; n < 20; n++) {
      drainer.wake();
      await turn();
    }
    expect(errors).toHaveLength(1);
    expect(queue).toMatchObject({ jobs: new Map([['a', inferJob('a')]]), active: new Set() });
    Reflect.deleteProperty(queue, 'save');
    clock.advance(1_000);
    await expect.poll(() => results).toEqual(['a: request a']);
    expect(calls).toBe(1);
  });

  it('is dead after maxFailures, though each replay ended the process', async () => {
    const { queue, drainer } = await drain(answers, { maxFailures: 3 });
    await queue.enqueue(inferJob('a', { replays: 3 }));
    drainer.wake();
    await expect
      .poll(() => queue.buried)
      .toEqual(['a: 3 replays, 3 failed, 3 of them cut short by the end of the process']);
  });

  it('is dead after maxReplays, though each was in an outage', async () => {
    let ready = true;
    const { queue, drainer, clock } = await drain(
      (_, done) => {
        ready = false; // the model is down, again
        done({ code: status.UNAVAILABLE, details: 'gone' });
      },
      { ready: () => ready, maxReplays: 4, retryMs: 10 },
    );
    await queue.enqueue(inferJob('a'));
    for (let replays = 1; replays <= 4; replays++) {
      ready = true;
      clock.advance(60_000);
      drainer.wake();
      await expect.poll(() => queue.jobs.get('a')?.excused ?? 4).toBe(replays);
      await expect.poll(() => queue.active.size).toBe(0);
    }
    await expect.poll(() => queue.buried).toEqual(['a: 4 replays, 0 failed, the last: UNAVAILABLE: gone']);
  });

  it('is replayed alone once it is suspected, so that no other job is blamed', async () => {
    const running = new Map<string, () => void>();
    const { queue, drainer, results } = await drain((call, done) => {
      running.set(call.request.id, () => answers(call, done));
    });
    await queue.enqueue(inferJob('innocent'));
    await queue.enqueue(inferJob('suspect', { replays: 1 }));
    await queue.enqueue(inferJob('later'));
    drainer.wake();
    await expect.poll(() => [...running.keys()]).toEqual(['request innocent']);
    await expect.poll(() => queue.active.size).toBe(2); // the suspect waits until it is alone
    await turn();
    expect([...running.keys()]).toEqual(['request innocent']);
    running.get('request innocent')?.();
    await expect.poll(() => running.has('request suspect')).toBe(true);
    drainer.wake();
    await turn();
    expect(running.has('request later')).toBe(false);
    running.get('request suspect')?.();
    await expect.poll(() => running.has('request later')).toBe(true);
    running.get('request later')?.();
    await expect.poll(() => results).toHaveLength(3);
  });
});

describe('a job of a method that the drainer does not have', () => {
  it('is put back with a delay, holds up no other, and is reported once', async () => {
    const errors: string[] = [];
    const { queue, drainer, clock, results } = await drain(answers, {
      ratePerSecond: 1,
      onError: (error) => errors.push(String(error)),
    });
    for (const id of ['x', 'y']) await queue.enqueue(inferJob(id, { method: '/s/Other' }));
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => results).toEqual(['a: request a']);
    expect(queue.buried).toEqual([]);
    expect(errors).toEqual(['Error: no client for /s/Other: its jobs are put back, and expire in the end']);
    for (const id of ['x', 'y']) {
      expect(queue.jobs.get(id)).toEqual(inferJob(id, { method: '/s/Other' }));
      expect(queue.dueAt.get(id)).toBe(clock.now() + 60_000);
    }
  });

  it('is replayed by the drainer that has the method', async () => {
    const { queue, drainer, clock } = await drain(answers, { onError: () => undefined });
    await queue.enqueue(inferJob('x', { method: '/s/Other' }));
    drainer.wake();
    await expect.poll(() => queue.dueAt.size).toBe(1);
    const { client, stop } = await startInferServer(answers);
    const done: string[] = [];
    const other = new DeferredDrainer({
      queue,
      methods: [
        { method: { ...METHOD, path: METHOD.path, requestStream: false, responseStream: false }, client },
      ],
      clock,
      onResult: ({ job }) => void done.push(job.id),
    });
    atEnd(stop, () => other.close());
    await drainer.close();
    queue.jobs.set('x', inferJob('x'));
    clock.advance(60_000);
    await expect.poll(() => done).toEqual(['x']);
  });

  it('expires in the end', async () => {
    const { queue, drainer } = await drain(answers);
    await queue.enqueue(inferJob('x', { method: '/s/Other', expiresAtMs: 999_999 }));
    drainer.wake();
    await expect.poll(() => queue.buried).toEqual(['x: expired: no client for /s/Other']);
  });
});

describe('a wall clock that is set while the drainer runs', () => {
  it.each([
    ['forward', HOUR_MS],
    ['back', -HOUR_MS],
  ])('%s: expires no job early, and replays none more often', async (_, stepMs) => {
    let calls = 0;
    const { queue, drainer, clock } = await drain(
      (_call, done) => {
        calls++;
        done({ code: status.INTERNAL, details: 'not now' });
      },
      { retryMs: 1_000, maxFailures: 100, maxReplays: 100, pollMs: 100 },
    );
    const acceptedAtMs = clock.epochMs();
    await queue.enqueue(inferJob('a', { acceptedAtMs, expiresAtMs: acceptedAtMs + 30 * 60_000 }));
    drainer.wake();
    await expect.poll(() => queue.jobs.get('a')?.failures).toBe(1);
    await expect.poll(() => queue.active.size).toBe(0);
    clock.stepEpoch(stepMs);
    for (let second = 0; second < 15; second++) {
      clock.advance(1_000);
      for (let n = 0; n < 20; n++) await turn();
      await expect.poll(() => queue.active.size).toBe(0);
    }
    expect(queue.buried).toEqual([]);
    expect(calls).toBeGreaterThanOrEqual(3); // pauses of 1, 2, 4 and 8 seconds
    expect(calls).toBeLessThanOrEqual(5);
    clock.advance(30 * 60_000 + Math.max(0, -stepMs));
    await expect.poll(() => queue.buried).toEqual(['a: expired']);
  });
});

describe('close()', () => {
  it('ends after closeTimeoutMs, though a replay does not', async () => {
    const errors: string[] = [];
    let begun = false;
    const { queue, drainer, clock } = await drain(
      () => {
        begun = true; // and it never answers
      },
      { callTimeoutMs: 2_000, closeTimeoutMs: 500, onError: (error) => errors.push(String(error)) },
    );
    await queue.enqueue(inferJob('a'));
    drainer.wake();
    await expect.poll(() => begun).toBe(true);
    const closed = drainer.close();
    await turn();
    clock.advance(500);
    await closed;
    expect(errors).toEqual(['Error: the drainer was closed with 1 replays under way after 500 ms']);
  });

  it('ends after closeTimeoutMs, though the queue does not answer', async () => {
    const { queue, drainer, clock } = await drain(answers, { closeTimeoutMs: 500, onError: () => undefined });
    await expect.poll(() => clock.pendingTimers).toBe(1);
    const gate = deferredPromise<undefined>();
    queue.gate = gate.promise;
    drainer.wake();
    const closed = drainer.close();
    await turn();
    clock.advance(500);
    await closed;
    gate.resolve(undefined);
  });
});

describe("a user's function of the drainer that throws", () => {
  const throws = (): never => {
    throw new Error('a bug of the user');
  };
  const rejects = async (): Promise<never> => throws();

  it.each([
    ['throws', throws],
    ['rejects', rejects],
  ])('onDead: is a warning each time, when it %s', async (_how, onDead) => {
    const seen: WarningEvent[] = [];
    const { queue, drainer } = await drain(answers, {
      onDead,
      onWarning: (event) => seen.push(event),
      maxFailures: 1,
      ratePerSecond: 1e6,
    });
    for (const id of ['a', 'b', 'c']) await queue.enqueue(inferJob(id, { replays: 1 }));
    drainer.wake();
    await expect.poll(() => seen.map(({ count }) => count)).toEqual([1, 2, 3]);
    expect(seen[0]).toMatchObject({ source: 'onDead of the drainer', error: new Error('a bug of the user') });
  });

  it.each([
    ['without onError', undefined, 'the queue of the drainer', 'disk full'],
    ['with an onError that throws', throws, 'onError of the drainer', 'a bug of the user'],
    ['with an onError that rejects', rejects, 'onError of the drainer', 'a bug of the user'],
  ])('%s: an error of the queue is a warning', async (_what, onError, source, message) => {
    const seen: WarningEvent[] = [];
    const { queue, drainer } = await drain(answers, {
      ...(onError && { onError }),
      onWarning: (event) => {
        seen.push(event);
        throw new Error('even this');
      },
    });
    queue.take = async () => {
      throw new Error('disk full');
    };
    drainer.wake();
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    expect(seen[0]).toMatchObject({ source, error: new Error(message), count: 1 });
  });
});
