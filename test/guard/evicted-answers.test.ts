import { expect, it } from 'vitest';
import { EvictedAnswers } from '../../src/guard/evicted-answers.js';
import { AnswerCounts } from '../../src/telemetry/answers.js';

it('the answers of evicted circuits are counted by method, of a bounded number of methods, and none is lost', () => {
  const evicted = new EvictedAnswers();
  const counts = new AnswerCounts();
  counts.primary = 2;
  for (let round = 0; round < 2; round++) for (let n = 0; n < 3_000; n++) evicted.add(`/a.B/M${n}`, counts);
  const report = evicted.report();
  expect(report).toHaveLength(1_001);
  expect(report.find(({ method }) => method === '/a.B/M999')?.count).toBe(4);
  expect(report.find(({ method }) => method === 'other')?.count).toBe(4 * 2_000);
  expect(report.reduce((sum, { count }) => sum + count, 0)).toBe(4 * 3_000);
});
