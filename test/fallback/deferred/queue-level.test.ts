import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { openLevelQueue } from 'failsoft/queue-level';
import { seededRandom } from 'failsoft/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { DeferredJob } from '../../../src/fallback/deferred/queue.js';
import { DurableWrites } from '../../../src/fallback/deferred/queue-level/durable-writes.js';
import { SEED } from '../../support/properties.js';
import { deferredQueueContract, job } from './deferred-queue.contract.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'failsoft-queue-'));
  ends.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function open(at = directory(), options = {}) {
  const queue = await openLevelQueue(at, options);
  ends.push(() => queue.close());
  return queue;
}

deferredQueueContract('LevelDB', async () => {
  const at = directory();
  const queue = await open(at);
  return {
    queue,
    reopen: async () => {
      await queue.close();
      return open(at);
    },
  };
});

/** What LevelDB is asked for from now on: a line for each key that an iterator gives, and for each value. */
function countReads(): string[] {
  const reads: string[] = [];
  const { get, keys } = ClassicLevel.prototype;
  const iterators = vi.spyOn(ClassicLevel.prototype, 'keys').mockImplementation(function (
    this: ClassicLevel,
    ...range
  ) {
    const iterator = keys.apply(this, range);
    const next = iterator.next.bind(iterator);
    iterator.next = async () => {
      const key = await next();
      if (key !== undefined) reads.push(`key ${key}`);
      return key;
    };
    return iterator;
  });
  const values = vi.spyOn(ClassicLevel.prototype, 'get').mockImplementation(function (
    this: ClassicLevel,
    ...key
  ) {
    reads.push(`value ${key[0]}`);
    return get.apply(this, key);
  });
  ends.push(
    () => iterators.mockRestore(),
    () => values.mockRestore(),
  );
  return reads;
}

describe('the queue on LevelDB', () => {
  it('accepts no more than maxJobs', async () => {
    const queue = await open(undefined, { maxJobs: 2 });
    await queue.enqueue(job('job-1'));
    await queue.enqueue(job('job-2'));
    await expect(queue.enqueue(job('job-3'))).rejects.toThrow('full: 2 jobs');
    const [first] = await queue.take(1, 1);
    if (first) await queue.complete(first);
    await queue.enqueue(job('job-3'));
  });

  it('keeps the newest maxDead of the dead', async () => {
    const queue = await open(undefined, { maxDead: 2 });
    for (const id of ['job-1', 'job-2', 'job-3']) await queue.enqueue(job(id));
    for (const each of await queue.take(3, 1)) await queue.bury(each, 'old', 1);
    expect((await queue.dead(10)).map((dead) => dead.job.id)).toEqual(['job-2', 'job-3']);
  });

  it('counts the dead right, also when several die at once', async () => {
    const queue = await open(undefined, { maxDead: 1 });
    for (let n = 0; n < 5; n++) await queue.enqueue(job(`job-${n}`));
    const taken = await queue.take(5, 1);
    await Promise.all(taken.map((each, n) => queue.bury(each, 'old', n)));
    expect((await queue.dead(10)).map((dead) => dead.job.id)).toEqual(['job-4']);
    expect(await queue.counts()).toEqual({ waiting: 0, active: 0, dead: 1 });
  });

  it('gives a job again whose end could not be written', async () => {
    const queue = await open();
    await queue.enqueue(job('job-1'));
    const [taken] = await queue.take(1, 1);
    if (!taken) throw new Error('one is waiting');
    const batch = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementationOnce(() => {
      throw new Error('disk full');
    });
    await expect(queue.complete(taken)).rejects.toThrow('disk full');
    batch.mockRestore();
    expect(await queue.counts()).toEqual({ waiting: 1, active: 0, dead: 0 });
    expect(await queue.take(1, 1)).toMatchObject([{ id: 'job-1' }]);
  });

  it('reads no job that is not due, however many wait', { timeout: 60_000 }, async () => {
    const queue = await open(undefined, { maxJobs: 200_000 });
    const later = Array.from({ length: 100_000 }, (_, n) => job(`later-${n}`, { notBeforeMs: 1_000 + n }));
    await Promise.all(later.map((each) => queue.enqueue(each)));
    await Promise.all(['a', 'b'].map((id) => queue.enqueue(job(id, { notBeforeMs: 10 }))));
    const reads = countReads();
    expect(await queue.take(1, 9)).toEqual([]);
    expect(reads.splice(0)).toEqual([]);
    expect(await queue.take(1, 10)).toMatchObject([{ id: 'a' }]);
    expect(reads.splice(0).length).toBeLessThanOrEqual(3); // two keys, one job
    expect(await queue.take(5, 10)).toMatchObject([{ id: 'b' }]);
    expect(reads.splice(0).length).toBeLessThanOrEqual(3);
    expect(await queue.take(2, 1_001)).toMatchObject([{ id: 'later-0' }, { id: 'later-1' }]);
    expect(reads.splice(0).length).toBeLessThanOrEqual(6); // past the two that are taken
  });

  it('overlooks no job, however many use it at once', { timeout: 60_000 }, async () => {
    const random = seededRandom(SEED);
    const queue = await open();
    const waiting = new Map<string, DeferredJob>();
    const upTo = (most: number) => Math.floor(random() * most);
    let now = 0;
    let count = 0;
    const enqueue = async () => {
      const one = job(`job-${count++}`, { notBeforeMs: now + upTo(20) - 10 });
      waiting.set(one.id, one);
      await queue.enqueue(one);
    };
    const withdraw = async () => {
      const one = [...waiting.values()][upTo(waiting.size)];
      if (one !== undefined && (await queue.withdraw(one))) waiting.delete(one.id);
    };
    const use = async () => {
      for (const one of await queue.take(1 + upTo(4), now)) {
        expect(waiting.get(one.id)).toEqual(one);
        waiting.delete(one.id);
        const next = random();
        if (next < 0.5) await queue.complete(one);
        else if (next < 0.6) await queue.bury(one, 'hopeless', now);
        else {
          const again = { ...one, attempts: one.attempts + 1, notBeforeMs: now + upTo(20) - 10 };
          waiting.set(one.id, again);
          await queue.putBack(again);
        }
      }
    };
    for (let round = 0; round < 150; round++) {
      const work = [enqueue, enqueue, enqueue, withdraw, use, use, use];
      await Promise.all(Array.from({ length: 8 }, () => work[upTo(work.length)]?.()));
      now += upTo(5);
    }
    const left = (await queue.take(10_000, now + 100)).map(({ id }) => id);
    expect(left.toSorted()).toEqual([...waiting.keys()].toSorted());
    expect(waiting.size).toBeGreaterThan(0);
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: left.length });
  });

  it('overlooks no job that was put back for earlier, while one asks for it by its old key', async () => {
    const queue = await open();
    const late = job('moved', { notBeforeMs: 1_000 });
    await queue.enqueue(late);
    await queue.take(1, 1_000);
    await queue.putBack({ ...late, notBeforeMs: 500 });
    await queue.enqueue(job('next', { notBeforeMs: 600 }));
    const { get } = ClassicLevel.prototype;
    let goOn = () => {};
    const slow = vi.spyOn(ClassicLevel.prototype, 'get').mockImplementationOnce(async function (
      this: ClassicLevel,
      ...key
    ) {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      return get.apply(this, key);
    });
    const withdrawing = queue.withdraw(late);
    expect(await queue.take(2, 1_000)).toMatchObject([{ id: 'next' }]);
    goOn();
    expect(await withdrawing).toBe(false);
    slow.mockRestore();
    expect(await queue.take(2, 1_000)).toMatchObject([{ id: 'moved' }]);
  });

  it('keeps none of the jobs that a look has found and could not give', async () => {
    const queue = await open();
    for (const id of ['job-1', 'job-2']) await queue.enqueue(job(id));
    const { get } = ClassicLevel.prototype;
    const failing = vi.spyOn(ClassicLevel.prototype, 'get').mockImplementation(function (
      this: ClassicLevel,
      ...key
    ) {
      return String(key[0]).endsWith('job-2')
        ? Promise.reject(new Error('bad sector'))
        : get.apply(this, key);
    });
    await expect(queue.take(2, 1)).rejects.toThrow('bad sector');
    failing.mockRestore();
    expect(await queue.counts()).toEqual({ waiting: 2, active: 0, dead: 0 });
    expect(await queue.take(2, 1)).toMatchObject([{ id: 'job-1' }, { id: 'job-2' }]);
  });

  it('writes what comes in the very turn in which all else is written', async () => {
    const db = new ClassicLevel<string, string>(directory());
    ends.push(() => db.close());
    const writes = new DurableWrites(db);
    await writes
      .write([{ type: 'put', key: 'a', value: '1' }])
      .then(() => writes.write([{ type: 'put', key: 'b', value: '2' }]));
    expect(await db.keys().all()).toEqual(['a', 'b']);
  });

  it('puts an entry that it cannot read aside, and goes on', async () => {
    const at = directory();
    const level = new ClassicLevel<string, string>(at);
    await level.put('job!0', '{"id": 7');
    await level.put('job!0000000000000001!1', '{"id": 7}');
    await level.close();
    const queue = await open(at);
    await queue.enqueue(job('job-2'));
    expect(await queue.take(5, 1)).toMatchObject([{ id: 'job-2' }]);
    expect(await queue.counts()).toEqual({ waiting: 0, active: 1, dead: 2 });
  });

  it('is one process’s at a time, and closed when closed', async () => {
    const at = directory();
    const queue = await openLevelQueue(at);
    await expect(openLevelQueue(at)).rejects.toThrow();
    await queue.close();
    await expect(queue.enqueue(job('job-1'))).rejects.toThrow('closed');
  });

  it.each([
    ['directory', () => openLevelQueue('')],
    ['maxJobs', () => openLevelQueue('/nowhere', { maxJobs: 0 })],
  ])('refuses a wrong %s', async (field, make) => {
    await expect(make()).rejects.toThrow(field);
  });
});
