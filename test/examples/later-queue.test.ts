import { expect, it } from 'vitest';
import { LaterQueue } from '../../examples/demo/later-queue.js';

it('keeps inputs until the primary has answered them, in their order', async () => {
  const asked: number[] = [];
  let isUp = true;
  const queue = new LaterQueue(async ([input = 0]) => {
    if (!isUp) throw new Error('down');
    asked.push(input);
    if (input === 2) isUp = false;
  });
  for (const input of [1, 2, 3]) queue.add([input]);
  expect(await queue.counts()).toEqual({ waiting: 3, active: 0, dead: 0, bytes: 12 });
  queue.drain();
  queue.drain();
  await expect.poll(() => queue.counts()).toMatchObject({ waiting: 1, active: 0 });
  expect(asked).toEqual([1, 2]);
  isUp = true;
  queue.drain();
  await expect.poll(() => queue.counts()).toMatchObject({ waiting: 0, active: 0 });
  expect(asked).toEqual([1, 2, 3]);
});

it('forgets the oldest input above 2,000', async () => {
  const asked: number[] = [];
  const queue = new LaterQueue(async ([input = 0]) => void asked.push(input));
  for (let input = 0; input <= 2_000; input++) queue.add([input]);
  expect(await queue.counts()).toMatchObject({ waiting: 2_000 });
  queue.drain();
  await expect.poll(() => asked).toHaveLength(2_000);
  expect(asked[0]).toBe(1);
});
