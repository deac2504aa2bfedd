import { describe, expect, it } from 'vitest';
import type { DeferredJob, DeferredQueue } from '../../../src/fallback/deferred/queue.js';

/** A queue on its own storage; `reopen` is what the next process would find there. */
export interface QueueUnderTest {
  readonly queue: DeferredQueue;
  reopen(): Promise<DeferredQueue>;
}

export function job(id: string, fields: Partial<DeferredJob> = {}): DeferredJob {
  return {
    id,
    method: '/s/M',
    request: 'AAEC',
    metadata: [['x-tenant', 'a']],
    acceptedAtMs: 1,
    expiresAtMs: 2 ** 42,
    attempts: 0,
    notBeforeMs: 0,
    ...fields,
  };
}

/** Whether the first process is to die, and another to get its jobs. */
interface Opening {
  readonly dies: boolean;
}

/** What every deferred queue does. */
export function deferredQueueContract(
  name: string,
  openQueue: (opening: Opening) => Promise<QueueUnderTest>,
): void {
  const open = (dies = false) => openQueue({ dies });
  describe(`a deferred queue: ${name}`, () => {
    it('gives jobs as they were put in, the oldest first, each once', async () => {
      const { queue } = await open();
      const jobs = ['job-1', 'job-2', 'job-3'].map((id) => job(id));
      for (const each of jobs) await queue.enqueue(each);
      expect(await queue.counts()).toEqual({ waiting: 3, active: 0, dead: 0 });
      expect(await queue.take(2, Date.now())).toEqual(jobs.slice(0, 2));
      expect(await queue.take(2, Date.now())).toEqual(jobs.slice(2));
      expect(await queue.take(2, Date.now())).toEqual([]);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 3, dead: 0 });
    });

    it('forgets what is complete', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      const [taken] = await queue.take(1, Date.now());
      if (taken) await queue.complete(taken);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, dead: 0 });
      expect(await queue.take(1, Date.now())).toEqual([]);
    });

    it('gives back what was put back, with what it now says, and not before its time', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      await queue.enqueue(job('job-2'));
      const [first, second] = await queue.take(2, Date.now());
      if (!first || !second) throw new Error('two are waiting');
      await queue.putBack({ ...first, attempts: 1, notBeforeMs: Date.now() + 60_000 });
      await queue.putBack({ ...second, attempts: 2, notBeforeMs: Date.now() - 1 });
      expect(await queue.take(2, Date.now())).toMatchObject([{ id: 'job-2', attempts: 2 }]);
      expect(await queue.counts()).toEqual({ waiting: 1, active: 1, dead: 0 });
    });

    it('keeps the dead, and why they are', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      const [taken] = await queue.take(1, Date.now());
      if (taken) await queue.bury(taken, 'hopeless', Date.now());
      expect(await queue.dead(10)).toMatchObject([{ job: job('job-1'), reason: 'hopeless' }]);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, dead: 1 });
      expect(await queue.take(1, Date.now())).toEqual([]);
    });

    it('gives the dead in the order in which they died', async () => {
      const { queue } = await open();
      for (const id of ['job-1', 'job-2', 'job-3']) await queue.enqueue(job(id));
      const taken = await queue.take(3, Date.now());
      for (const each of taken.toReversed()) {
        await queue.bury(each, 'hopeless', Date.now());
        const buriedMs = Date.now(); // a queue may read the time itself: the next one dies in a later millisecond
        await expect.poll(() => Date.now()).toBeGreaterThan(buriedMs);
      }
      const died = taken.toReversed().map(({ id }) => id);
      const dead = await queue.dead(10);
      expect(dead.map((each) => each.job.id)).toEqual(died);
      expect((await queue.dead(2)).map((each) => each.job.id)).toEqual(died.slice(0, 2));
    });

    it('takes back what nobody has taken, and says so; nothing else', async () => {
      const { queue } = await open();
      const jobs = ['job-1', 'job-2'].map((id) => job(id));
      for (const each of jobs) await queue.enqueue(each);
      await queue.take(1, Date.now());
      expect(await Promise.all(jobs.map((each) => queue.withdraw(each)))).toEqual([false, true]);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 1, dead: 0 });
      expect(await queue.take(3, Date.now())).toEqual([]);
    });

    it('takes back no job that is done or dead', async () => {
      const { queue } = await open();
      const jobs = ['job-1', 'job-2'].map((id) => job(id));
      for (const each of jobs) await queue.enqueue(each);
      const [done, hopeless] = await queue.take(2, Date.now());
      if (done) await queue.complete(done);
      if (hopeless) await queue.bury(hopeless, 'no such model', 1);
      expect(await Promise.all(jobs.map((each) => queue.withdraw(each)))).toEqual([false, false]);
      expect(await queue.dead(10)).toMatchObject([{ job: { id: 'job-2' } }]);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, dead: 1 });
    });

    it('finishes only what it gave out', async () => {
      const { queue } = await open();
      await queue.enqueue(job('job-1'));
      await expect(queue.complete(job('job-1'))).rejects.toThrow('gave out');
      const [taken] = await queue.take(1, Date.now());
      if (taken) await queue.complete(taken);
      if (taken) await expect(queue.putBack(taken)).rejects.toThrow('gave out');
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, dead: 0 });
    });

    it('has all that was not finished after its process is gone', async () => {
      const { queue, reopen } = await open(true);
      await Promise.all(Array.from({ length: 20 }, (_, n) => queue.enqueue(job(`job-${10 + n}`))));
      const [first] = await queue.take(3, Date.now());
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
          for (const each of await again.take(20, Date.now())) ids.add(each.id);
          return ids.size;
        })
        .toBe(19);
      expect([...ids].toSorted()).toEqual(Array.from({ length: 19 }, (_, n) => `job-${11 + n}`));
    });
  });
}
