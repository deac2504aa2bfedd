import { expect, it } from 'vitest';
import { RecentLatencies } from '../../src/guard/recent-latencies.js';

it('a percentile of the last durations is exact: the 7th of 100 is not the 8th, as floating point has it', () => {
  const latencies = new RecentLatencies();
  for (let ms = 100; ms >= 1; ms--) latencies.record(ms);
  expect([7, 50, 99.9, 100].map((percentile) => latencies.percentileMs(percentile))).toEqual([
    7, 50, 100, 100,
  ]);
});
