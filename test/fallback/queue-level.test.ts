import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { openLevelQueue } from 'failsoft/queue-level';
import { afterEach, describe, expect, it } from 'vitest';
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

  it('puts an entry that it cannot read aside, and goes on', async () => {
    const at = directory();
    const level = new ClassicLevel<string, string>(at);
    await level.put('job!0', '{"id": 7');
    await level.put('job!1', '{"id": 7}');
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
