import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { type PendingAnswer, PendingAnswers } from '../../../src/fallback/last-good/pending-answers.js';
import { collectGarbage } from '../../support/garbage.js';
import { METHOD } from '../support.js';

/** By default so large that the clock is read after each. */
const answer = (id: string, bytes = 8_192): PendingAnswer => ({
  material: { method: METHOD, scope: 'scope', subject: id },
  kept: { encoded: id, epochMs: 0, clockMs: 0 },
  bytes,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Putting one answer in its place takes `putMs` of the clock. */
function setUp(putMs: number) {
  const clock = new ManualClock();
  const put: string[] = [];
  const pending = new PendingAnswers(({ material }) => {
    put.push(String(material.subject));
    clock.advance(putMs);
  }, clock);
  return { pending, put };
}

describe('answers that wait to be put in their places', () => {
  it('wait until the calls of this turn are done', async () => {
    const { pending, put } = setUp(1);
    pending.add(answer('1'));
    expect(put).toEqual([]);
    await turn();
    expect(put).toEqual(['1']);
    expect(pending.size).toBe(0);
  });

  it('take 5 ms of a turn, in order', async () => {
    const { pending, put } = setUp(2);
    for (const id of ['1', '2', '3', '4', '5']) pending.add(answer(id));
    await turn();
    expect(put).toEqual(['1', '2', '3']); // the third began within the 5 ms
    await turn();
    expect(put).toEqual(['1', '2', '3', '4', '5']);
  });

  it('take one answer of a turn where that takes longer', async () => {
    const { pending, put } = setUp(120);
    for (const id of ['1', '2', '3']) pending.add(answer(id));
    for (const done of [1, 2, 3]) {
      await turn();
      expect(put).toHaveLength(done);
    }
  });

  it('are small: the clock is read after eight of them', async () => {
    const { pending, put } = setUp(5);
    for (let n = 0; n < 20; n++) pending.add(answer(`${n}`, 0));
    for (const done of [8, 16, 20]) {
      await turn();
      expect(put).toHaveLength(done);
    }
  });

  it('share the time of a turn with the calls that look for an answer', async () => {
    const { pending, put } = setUp(3);
    for (const id of ['1', '2', '3', '4', '5']) pending.add(answer(id));
    for (let lookup = 0; lookup < 10; lookup++) pending.flush();
    expect(put).toEqual(['1', '2']);
    await turn();
    expect(put).toEqual(['1', '2', '3', '4']);
    pending.flush();
    expect(put).toHaveLength(4);
  });

  it('have a whole turn again after a pause', async () => {
    const { pending, put } = setUp(6);
    pending.add(answer('1'));
    await turn();
    pending.add(answer('2'));
    pending.flush();
    expect(put).toEqual(['1', '2']);
  });

  it('are found while they wait, the newest first', () => {
    const { pending } = setUp(1);
    const older = answer('1');
    const newer = answer('1', 10);
    for (const each of [older, newer, answer('2')]) pending.add(each);
    expect(pending.find(answer('1').material)).toBe(newer.kept);
    expect(pending.find({ ...older.material, scope: 'other' })).toBeUndefined();
    expect(pending.find({ ...older.material, subject: Buffer.from('1') })).toBeUndefined();
    expect(pending.find(answer('3').material)).toBeUndefined();
  });

  it.each([
    ['256 of them', 8_192, 257],
    ['16 MiB of them', 2 ** 20, 17],
  ])('are no more than %s', (_, bytes, most) => {
    const { pending, put } = setUp(6);
    let added = 0;
    while (added < 1_000 && pending.hasRoom()) {
      pending.add(answer(`${added}`, bytes));
      added++;
    }
    expect(pending.hasRoom()).toBe(false);
    expect(put).toEqual(['0']); // room was made once: that used up the time of this turn
    expect(added).toBe(most);
  });

  it('give their room back', async () => {
    const { pending } = setUp(0);
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 4; n++) pending.add(answer(`${n}`, 2 ** 20));
      if (round % 2 === 0) pending.flush();
      else pending.clear();
    }
    expect(pending.size).toBe(0);
    for (let n = 0; n < 15; n++) pending.add(answer(`${n}`, 2 ** 20));
    expect(pending.hasRoom()).toBe(true);
    expect(pending.size).toBe(15); // it had to make none
  });

  it('are released once they are kept, also where the queue is never empty', async () => {
    const { pending, put } = setUp(0);
    for (let n = 0; n < 1_000; n++) {
      pending.add(answer(`${n}`));
      pending.add(answer(`${n}, again`));
      pending.flush();
    }
    expect(put).toHaveLength(2_000);
    const slow = setUp(6);
    const refs: WeakRef<PendingAnswer>[] = [];
    const add = (n: number) => {
      const added = answer(`${n}`);
      refs.push(new WeakRef(added));
      slow.pending.add(added);
    };
    for (let n = 0; n < 40; n++) add(n);
    for (let n = 40; n < 600; n++) {
      add(n);
      await turn();
    }
    expect(slow.put).toEqual(Array.from({ length: 560 }, (_, n) => `${n}`));
    const alive = () => refs.filter((ref) => ref.deref() !== undefined).length;
    await collectGarbage(() => alive() < 300);
    expect(alive()).toBeLessThan(300);
    expect(slow.pending.size).toBeGreaterThan(10); // here, so that the queue is not garbage itself
  });

  it('can be waited for', async () => {
    const { pending, put } = setUp(50);
    for (let n = 0; n < 10; n++) pending.add(answer(`${n}`));
    await pending.drain();
    expect(put).toHaveLength(10);
    await pending.drain();
  });
});
