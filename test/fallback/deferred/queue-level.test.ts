import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { openLevelQueue, repairLevelQueue } from 'failsoft/queue-level';
import { ManualClock, seededRandom } from 'failsoft/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { DeferredJob } from '../../../src/fallback/deferred/queue.js';
import { DurableWrites } from '../../../src/fallback/deferred/queue-level/durable-writes.js';
import { NOTHING } from '../../../src/fallback/deferred/queue-level/entries.js';
import { ReopeningLevel } from '../../../src/fallback/deferred/queue-level/reopening-level.js';
import { SEED } from '../../support/properties.js';
import { deferredQueueContract, job } from './deferred-queue.contract.js';

/** Another process that opens the directory given. */
const OPEN_LEVEL = `
import { ClassicLevel } from 'classic-level';
const db = new ClassicLevel(process.argv[1]);
await db.open().then(() => process.stdout.write('opened'), (error) => process.stdout.write(error.cause.code));`;

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

deferredQueueContract('LevelDB', async ({ dies: _, ...bounds }) => {
  const at = directory();
  const clock = new ManualClock(Date.now());
  const queue = await open(at, { clock, ...bounds });
  return {
    queue,
    reopen: async () => {
      await queue.close();
      return open(at);
    },
    epochMs: () => clock.epochMs(),
    stepClock: (ms) => clock.stepEpoch(ms),
    pass: async (ms) => clock.advance(ms),
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
  it('keeps the newest maxDead dead jobs', async () => {
    const queue = await open(undefined, { maxDead: 2 });
    for (const id of ['job-1', 'job-2', 'job-3']) await queue.enqueue(job(id));
    for (const each of await queue.take(3)) await queue.bury(each, 'old');
    expect((await queue.dead(10)).map((dead) => dead.job.id)).toEqual(['job-2', 'job-3']);
  });

  it('counts dead jobs right, also when several die at once', async () => {
    const clock = new ManualClock(1);
    const queue = await open(undefined, { maxDead: 1, clock });
    for (let n = 0; n < 5; n++) await queue.enqueue(job(`job-${n}`));
    const taken = await queue.take(5);
    const burials = taken.map((each) => {
      clock.advance(1);
      return queue.bury(each, 'old');
    });
    await Promise.all(burials);
    expect((await queue.dead(10)).map((dead) => dead.job.id)).toEqual(['job-4']);
    expect(await queue.counts()).toEqual({ waiting: 0, active: 0, dead: 1, bytes: 0 });
  });

  it('gives a job again whose end could not be written', async () => {
    const queue = await open();
    await queue.enqueue(job('job-1'));
    const [taken] = await queue.take(1);
    if (!taken) throw new Error('one is waiting');
    const batch = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementationOnce(() => {
      throw new Error('disk full');
    });
    await expect(queue.complete(taken)).rejects.toThrow('disk full');
    batch.mockRestore();
    expect(await queue.counts()).toMatchObject({ waiting: 1, active: 0, dead: 0 });
    expect(await queue.take(1)).toMatchObject([{ id: 'job-1' }]);
  });

  it('reads no job that is not due, however many wait', { timeout: 60_000 }, async () => {
    const clock = new ManualClock(9);
    const queue = await open(undefined, { maxJobs: 200_000, clock });
    const later = Array.from({ length: 100_000 }, (_, n) => job(`later-${n}`, { acceptedAtMs: 1_000 + n }));
    await Promise.all(later.map((each) => queue.enqueue(each)));
    await Promise.all(['a', 'b'].map((id) => queue.enqueue(job(id, { acceptedAtMs: 10 }))));
    const reads = countReads();
    expect(await queue.take(1)).toEqual([]);
    expect(reads.splice(0)).toEqual([]);
    clock.advance(1);
    expect(await queue.take(1)).toMatchObject([{ id: 'a' }]);
    expect(reads.splice(0).length).toBeLessThanOrEqual(3); // two keys, one job
    expect(await queue.take(5)).toMatchObject([{ id: 'b' }]);
    expect(reads.splice(0).length).toBeLessThanOrEqual(3);
    clock.advance(991);
    expect(await queue.take(2)).toMatchObject([{ id: 'later-0' }, { id: 'later-1' }]);
    expect(reads.splice(0).length).toBeLessThanOrEqual(6); // past the two that are taken
  });

  it('overlooks no job, however many use it at once', { timeout: 60_000 }, async () => {
    const random = seededRandom(SEED);
    const clock = new ManualClock(1_000);
    const queue = await open(undefined, { clock });
    const waiting = new Map<string, DeferredJob>();
    const upTo = (most: number) => Math.floor(random() * most);
    let count = 0;
    const enqueue = async () => {
      const one = job(`job-${count++}`, { acceptedAtMs: clock.now() + upTo(20) - 10 });
      waiting.set(one.id, one);
      await queue.enqueue(one);
    };
    const withdraw = async () => {
      const one = [...waiting.values()][upTo(waiting.size)];
      if (one !== undefined && (await queue.withdraw(one))) waiting.delete(one.id);
    };
    const use = async () => {
      for (const one of await queue.take(1 + upTo(4))) {
        expect(waiting.get(one.id)).toEqual(one);
        waiting.delete(one.id);
        const next = random();
        if (next < 0.5) await queue.complete(one);
        else if (next < 0.6) await queue.bury(one, 'hopeless');
        else {
          const again = { ...one, replays: one.replays + 1 };
          waiting.set(one.id, again);
          await queue.putBack(again, upTo(20));
        }
      }
    };
    for (let round = 0; round < 150; round++) {
      const work = [enqueue, enqueue, enqueue, withdraw, use, use, use];
      await Promise.all(Array.from({ length: 8 }, () => work[upTo(work.length)]?.()));
      clock.advance(upTo(5));
    }
    clock.advance(100);
    const left = (await queue.take(10_000)).map(({ id }) => id);
    expect(left.toSorted()).toEqual([...waiting.keys()].toSorted());
    expect(waiting.size).toBeGreaterThan(0);
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: left.length });
  });

  it('overlooks no job that was put back, while a withdrawal looks for it by its old key', async () => {
    const clock = new ManualClock(1_000);
    const queue = await open(undefined, { clock });
    const late = job('moved', { acceptedAtMs: 1_000 });
    await queue.enqueue(late);
    await queue.take(1);
    await queue.putBack(late, 200);
    await queue.enqueue(job('next', { acceptedAtMs: 1_300 }));
    clock.advance(1_000);
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
    expect(await queue.take(2)).toMatchObject([{ id: 'next' }]);
    goOn();
    expect(await withdrawing).toBe(false);
    slow.mockRestore();
    expect(await queue.take(2)).toMatchObject([{ id: 'moved' }]);
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
    await expect(queue.take(2)).rejects.toThrow('bad sector');
    failing.mockRestore();
    expect(await queue.counts()).toMatchObject({ waiting: 2, active: 0, dead: 0 });
    expect(await queue.take(2)).toMatchObject([{ id: 'job-1' }, { id: 'job-2' }]);
  });

  it('writes a job that comes in the turn in which all others are written', async () => {
    const db = new ClassicLevel<string, string>(directory());
    await db.open();
    ends.push(() => db.close());
    const level = new ReopeningLevel(db, NOTHING, new ManualClock(), () => undefined);
    const writes = new DurableWrites(level);
    const put = (key: string) => ({ ...NOTHING, operations: [{ type: 'put', key, value: '1' } as const] });
    await writes.write(put('a')).then(() => writes.write(put('b')));
    expect(await db.keys().all()).toEqual(['a', 'b', 'totals']);
  });

  it('puts an entry that turns unreadable while it is open aside, and goes on', async () => {
    const queue = await open();
    for (const id of ['job-1', 'job-2']) await queue.enqueue(job(id));
    const { get } = ClassicLevel.prototype;
    const flipped = vi.spyOn(ClassicLevel.prototype, 'get').mockImplementation(async function (
      this: ClassicLevel,
      ...key
    ) {
      const text = await get.apply(this, key);
      return String(key[0]).endsWith('job-1') ? String(text).replace('AAEC', 'AAED') : text;
    });
    expect(await queue.take(5)).toMatchObject([{ id: 'job-2' }]);
    flipped.mockRestore();
    expect(await queue.counts()).toMatchObject({ waiting: 0, active: 1, dead: 1 });
  });

  it('gives a job back in time that waits by a wall clock that was set back before the restart', async () => {
    const at = directory();
    const before = new ManualClock(10 * 3_600_000);
    const first = await open(at, { clock: before });
    for (const id of ['job-1', 'job-2']) await first.enqueue(job(id, { acceptedAtMs: before.epochMs() }));
    const [taken] = await first.take(1);
    if (taken) await first.putBack(taken, 5_000);
    await first.close();
    const after = new ManualClock(9 * 3_600_000);
    const second = await open(at, { clock: after });
    expect(await second.take(5)).toMatchObject([{ id: 'job-2' }]);
    after.advance(4_999);
    expect(await second.take(5)).toEqual([]);
    after.advance(1);
    expect(await second.take(5)).toMatchObject([{ id: 'job-1' }]);
  });

  it('is open in one process at a time, and refuses everything after close()', async () => {
    const at = directory();
    const queue = await openLevelQueue(at);
    await queue.close();
    await expect(queue.enqueue(job('job-1'))).rejects.toThrow('closed');
  });

  it('keeps its lock when the same process opens the directory again, by whatever path', async () => {
    const at = directory();
    const link = join(directory(), 'link');
    symlinkSync(at, link);
    const queue = await open(at);
    for (const path of [at, `${at}/`, `${at}/../${basename(at)}`, link])
      await expect(openLevelQueue(path)).rejects.toMatchObject({ code: 'FAILSOFT_IN_USE' });
    await expect(repairLevelQueue(at)).rejects.toMatchObject({ code: 'FAILSOFT_IN_USE' });
    await queue.enqueue(job('job-1'));
    const elsewhere = spawnSync(process.execPath, ['--input-type=module', '-e', OPEN_LEVEL, at], {
      encoding: 'utf8',
    });
    expect(elsewhere.stdout).toBe('LEVEL_LOCKED');
    await queue.close();
    const again = await open(link);
    expect(await again.take(5)).toMatchObject([{ id: 'job-1' }]);
  });

  it('can be opened by one of several processes that try at once', async () => {
    const at = directory();
    const opened = await Promise.allSettled([open(at), open(at), open(at)]);
    expect(opened.filter(({ status }) => status === 'fulfilled').length).toBe(1);
  });

  it.each([
    ['directory', () => openLevelQueue('')],
    ['maxJobs', () => openLevelQueue('/nowhere', { maxJobs: 0 })],
    ['maxBytes', () => openLevelQueue('/nowhere', { maxBytes: 0.5 })],
    ['maxDead', () => openLevelQueue('/nowhere', { maxDead: -1 })],
    ['directory', () => repairLevelQueue('/nowhere')],
  ])('refuses a wrong %s', async (field, make) => {
    await expect(make()).rejects.toThrow(field);
  });
});

it('a job is buried although the disk fails to delete the oldest dead job', async () => {
  const { batch } = ClassicLevel.prototype;
  let isFull = true;
  const writes = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementation(function (
    this: ClassicLevel,
    ...args: unknown[]
  ) {
    const isOnlyDeleting = !JSON.stringify(args).includes('"reason');
    if (isFull && isOnlyDeleting && JSON.stringify(args).includes('dead!'))
      return Promise.reject(new Error('No space left on device'));
    return Reflect.apply(batch, this, args);
  });
  ends.push(() => writes.mockRestore());
  const queue = await open(directory(), { maxDead: 1 });
  for (const id of ['a', 'b', 'c']) await queue.enqueue(job(id));
  for (const taken of await queue.take(2)) await queue.bury(taken, 'hopeless');
  expect(await queue.counts()).toMatchObject({ waiting: 1, active: 0, dead: 2 });
  isFull = false;
  for (const taken of await queue.take(1)) await queue.bury(taken, 'hopeless');
  expect(await queue.counts()).toMatchObject({ waiting: 0, active: 0, dead: 1 });
});

it.each([{ maxJobs: 1 }, { maxBytes: 1_500 }])(
  'a full queue (%o) writes out no job to decline it',
  async (bounds) => {
    const queue = await open(directory(), bounds);
    const large = 'A'.repeat(1_000);
    expect(await queue.enqueue(job('first', { request: large }))).toBe('accepted');
    const written = vi.spyOn(JSON, 'stringify');
    ends.push(() => written.mockRestore());
    for (let n = 0; n < 100; n++) expect(await queue.enqueue(job(`${n}`, { request: large }))).toBe('full');
    expect(written).not.toHaveBeenCalled();
  },
);
