import { describe, expect, it } from 'vitest';
import type { DeferredJob, DeferredQueue } from '../../../src/fallback/deferred/queue.js';

/** A queue on its own storage; `reopen` is what the next process would find there. */
export interface QueueUnderTest {
  readonly queue: DeferredQueue;
  reopen(): Promise<DeferredQueue>;
  /** The wall clock that the queue reads. */
  epochMs(): number;
  /** Sets the wall clock that the queue reads forward, or back. */
  stepClock(ms: number): void;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
}

export function job(id: string, fields: Partial<DeferredJob> = {}): DeferredJob {
  return {
    id,
    method: '/s/M',
    request: 'AAEC',
    metadata: [['x-tenant', 'a']],
    acceptedAtMs: 1,
    expiresAtMs: 2 ** 42,
    replays: 0,
    failures: 0,
    excused: 0,
    ...fields,
  };
}

/** How a queue is opened. */
export interface Opening {
  /** Whether the first process is to die, and another to get its jobs. */
  readonly dies?: boolean;
  readonly maxJobs?: number;
  readonly maxBytes?: number;
}

const HOUR_MS = 3_600_000;

/** What every deferred queue does. */
export function deferredQueueContract(
  name: string,
  openQueue: (opening: Opening) => Promise<QueueUnderTest>,
): void {
  const open = (opening: Opening = {}) => openQueue(opening);
  describe(`a deferred queue: ${name}`, () => {
    it('gives jobs in the order in which they were accepted, each once', async () => {
      const { queue } = await open();
      const jobs = ['job-1', 'job-2', 'job-3'].map((id) => job(id));
      for (const each of jobs) await queue.enqueue(each);
      expect(await queue.counts()).toMatchObject({ waiting: 3, active: 0, dead: 0 });
      expect(await queue.take(2)).toEqual(jobs.slice(0, 2));
      expect(await queue.take(2)).toEqual(jobs.slice(2));
      expect(await queue.take(2)).toEqual([]);
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 3, dead: 0 });
    });

    it('forgets completed jobs', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      const [taken] = await queue.take(1);
      if (taken) await queue.complete(taken);
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, dead: 0 });
      expect(await queue.take(1)).toEqual([]);
    });

    it('gives a job again that was put back, as it was put back, and not before its time', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      await queue.enqueue(job('job-2'));
      const [first, second] = await queue.take(2);
      if (!first || !second) throw new Error('two are waiting');
      await queue.putBack({ ...first, replays: 1 }, 60_000);
      await queue.putBack({ ...second, replays: 2, failures: 1, excused: 1 }, 0);
      expect(await queue.take(2)).toMatchObject([{ id: 'job-2', replays: 2, failures: 1, excused: 1 }]);
      expect(await queue.counts()).toMatchObject({ waiting: 1, active: 1, dead: 0 });
    });

    it.each([
      ['back', -HOUR_MS],
      ['forward', HOUR_MS],
    ])('keeps to a delay though the wall clock is set %s by an hour', async (_, stepMs) => {
      const { queue, stepClock, pass } = await open();
      await queue.enqueue(job('job-1'));
      const [taken] = await queue.take(1);
      if (!taken) throw new Error('one is waiting');
      await queue.putBack(taken, 60_000);
      expect(await queue.take(1)).toEqual([]);
      stepClock(stepMs);
      let early = 0;
      for (let look = 0; look < 20; look++) {
        for (const each of await queue.take(1)) {
          early++;
          await queue.putBack(each, 400);
        }
      }
      // What waits while the clock is set may come too early, once: better than an hour late.
      expect(early).toBeLessThanOrEqual(1);
      if (early === 0) await pass(60_000);
      else await pass(400);
      await expect.poll(() => queue.take(1)).toMatchObject([{ id: 'job-1' }]);
    });

    it('gives a new job at once though the wall clock was set back by an hour', async () => {
      const { queue, stepClock, epochMs } = await open();
      stepClock(-HOUR_MS);
      await queue.enqueue(job('job-1', { acceptedAtMs: epochMs() }));
      expect(await queue.take(1)).toMatchObject([{ id: 'job-1' }]);
    });

    it('counts a replay that began, though the process ended in the middle of it', async () => {
      const { queue, reopen } = await open({ dies: true });
      await queue.enqueue(job('job-1'));
      const [taken] = await queue.take(1);
      if (taken) await queue.save({ ...taken, replays: 1 });
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 1 });
      const again = await reopen();
      const given: DeferredJob[] = [];
      await expect
        .poll(async () => {
          given.push(...(await again.take(1)));
          return given.length;
        })
        .toBe(1);
      expect(given).toMatchObject([{ id: 'job-1', replays: 1, failures: 0 }]);
    });

    it('accepts no more than maxJobs, counting those that are taken', async () => {
      const { queue } = await open({ maxJobs: 2 });
      expect(await queue.enqueue(job('job-1'))).toBe('accepted');
      expect(await queue.enqueue(job('job-2'))).toBe('accepted');
      const [first, second] = await queue.take(2);
      expect(await queue.enqueue(job('job-3'))).toBe('full');
      if (first) await queue.complete(first);
      expect(await queue.enqueue(job('job-3'))).toBe('accepted');
      if (second) await queue.bury(second, 'hopeless');
      expect(await queue.enqueue(job('job-4'))).toBe('accepted');
      expect(await queue.enqueue(job('job-5'))).toBe('full');
      expect(await queue.withdraw(job('job-4'))).toBe(true);
      expect(await queue.enqueue(job('job-5'))).toBe('accepted');
    });

    it('accepts no more than maxBytes, however many come at once', async () => {
      const large = (id: string) => job(id, { request: 'A'.repeat(10_000) });
      const { queue } = await open({ maxBytes: 35_000 });
      const given = await Promise.all(Array.from({ length: 8 }, (_, n) => queue.enqueue(large(`job-${n}`))));
      expect(given.toSorted()).toEqual([
        ...['accepted', 'accepted', 'accepted'],
        ...['full', 'full', 'full', 'full', 'full'],
      ]);
      const { bytes } = await queue.counts();
      expect(bytes).toBeGreaterThan(30_000);
      expect(bytes).toBeLessThan(35_000);
      for (const each of await queue.take(3)) await queue.complete(each);
      expect((await queue.counts()).bytes).toBe(0);
      expect(await queue.enqueue(large('job-8'))).toBe('accepted');
    });

    it('does nothing more once it is closed, and closes twice', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      await queue.close();
      await expect(queue.enqueue(job('job-2'))).rejects.toThrow();
      await expect(queue.take(1)).rejects.toThrow();
      await queue.close();
    });

    it('keeps dead jobs with their reasons', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      const [taken] = await queue.take(1);
      if (taken) await queue.bury(taken, 'hopeless');
      expect(await queue.dead(10)).toMatchObject([{ job: job('job-1'), reason: 'hopeless' }]);
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, dead: 1 });
      expect(await queue.take(1)).toEqual([]);
    });

    it('gives dead jobs in the order in which they died', async () => {
      const { queue, pass } = await open();
      for (const id of ['job-1', 'job-2', 'job-3']) await queue.enqueue(job(id));
      const taken = await queue.take(3);
      for (const each of taken.toReversed()) {
        await queue.bury(each, 'hopeless');
        await pass(2); // the next one dies in a later millisecond
      }
      const died = taken.toReversed().map(({ id }) => id);
      const dead = await queue.dead(10);
      expect(dead.map((each) => each.job.id)).toEqual(died);
      expect((await queue.dead(2)).map((each) => each.job.id)).toEqual(died.slice(0, 2));
    });

    it('withdraws a job that was not taken, and returns true; withdraws no other job', async () => {
      const { queue } = await open();
      const jobs = ['job-1', 'job-2'].map((id) => job(id));
      for (const each of jobs) await queue.enqueue(each);
      await queue.take(1);
      expect(await Promise.all(jobs.map((each) => queue.withdraw(each)))).toEqual([false, true]);
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 1, dead: 0 });
      expect(await queue.take(3)).toEqual([]);
    });

    it('withdraws no job that is done or dead', async () => {
      const { queue } = await open();
      const jobs = ['job-1', 'job-2'].map((id) => job(id));
      for (const each of jobs) await queue.enqueue(each);
      const [done, hopeless] = await queue.take(2);
      if (done) await queue.complete(done);
      if (hopeless) await queue.bury(hopeless, 'no such model');
      expect(await Promise.all(jobs.map((each) => queue.withdraw(each)))).toEqual([false, false]);
      expect(await queue.dead(10)).toMatchObject([{ job: { id: 'job-2' } }]);
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, dead: 1 });
    });

    it('finishes only jobs that were taken from it', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      await expect(queue.complete(job('job-1'))).rejects.toThrow('gave out');
      const [taken] = await queue.take(1);
      if (taken) await queue.complete(taken);
      if (taken) await expect(queue.putBack(taken, 0)).rejects.toThrow('gave out');
      expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, dead: 0 });
    });

    it('has all unfinished jobs after its process has ended', async () => {
      const { queue, reopen } = await open({ dies: true });
      await Promise.all(Array.from({ length: 20 }, (_, n) => queue.enqueue(job(`job-${10 + n}`))));
      const [first] = await queue.take(3);
      if (first) await queue.complete(first);
      const again = await reopen();
      await expect
        .poll(async () => {
          const { waiting, active } = await again.counts();
          return waiting + active;
        })
        .toBe(19);
      // A short lease may run out on a busy machine, and a job be given twice: that is its right.
      const ids = new Set<string>();
      await expect
        .poll(async () => {
          for (const each of await again.take(20)) ids.add(each.id);
          return ids.size;
        })
        .toBe(19);
      expect([...ids].toSorted()).toEqual(Array.from({ length: 19 }, (_, n) => `job-${11 + n}`));
    });
  });
}
