import { describe, expect, it } from 'vitest';
import { header, reportLine } from '../../bench/lib/report.js';
import type { Result, Row } from '../../bench/lib/row.js';
import { rows } from '../../bench/rows/circuit.js';

const open = () => ({ ours: () => 1 });

function line(row: Partial<Row>, result: Partial<Result>): string {
  const both = { name: 'circuit.some', unit: 'ns' } as const;
  return reportLine({ ...both, open, ...row }, { ...both, ours: 100, peers: {}, ...result }).replace(
    / {2,}/g,
    '|',
  );
}

describe('a line of the benchmark', () => {
  it.each<[string, Partial<Row>, Partial<Result>, string]>([
    ['no budget', {}, {}, '-|100|-|-|-'],
    ['a budget that is just kept', { budget: 100 }, {}, '100|100|-|-|-'],
    ['a budget that is not', { budget: 99.9 }, {}, '99.9|100 !|-|-|-'],
    [
      'one of the floor that is kept',
      { budgetOfFloor: 2 },
      { floor: 50, ofFloor: 2 },
      '2x|100|50.0 (2.00)|-|-',
    ],
    [
      'one of the floor that is not',
      { budgetOfFloor: 1.9 },
      { floor: 50, ofFloor: 2 },
      '1.9x|100 !|50.0 (2.00)|-|-',
    ],
    ['a rate that is high enough', { budget: 99, moreIsBetter: true }, {}, '99.0|100|-|-|-'],
    ['a rate that is too low', { budget: 101, moreIsBetter: true }, {}, '101|100 !|-|-|-'],
    [
      'peers that are far enough behind',
      { peersAtLeast: { opossum: 5, cockatiel: 2 } },
      { peers: { opossum: 500, cockatiel: 200 } },
      '-|100|-|500 (5.00x)|200 (2.00x)',
    ],
    [
      'peers that are too near',
      { peersAtLeast: { opossum: 5, cockatiel: 2 } },
      { peers: { opossum: 499, cockatiel: 199 } },
      '-|100|-|499 (4.99x) !|199 (1.99x) !',
    ],
    [
      'a rate of the floor that is too low, by the rounds and not by the medians',
      { budgetOfFloor: 0.98, moreIsBetter: true },
      { floor: 100, ofFloor: 0.97 },
      '0.98x|100 !|100 (0.97)|-|-',
    ],
    ['a peer that has no mark to reach', {}, { peers: { opossum: 1 } }, '-|100|-|1.00 (0.01x)|-'],
  ])('%s', (_what, row, result, expected) => {
    expect(line(row, result)).toBe(`circuit.some|ns|${expected}`);
  });

  it('stands under its heading', () => {
    expect(header()).toHaveLength(
      reportLine({ name: 'a', unit: 'ns', open }, { name: 'a', unit: 'ns', ours: 1, peers: {} }).length,
    );
  });
});

describe("the circuit's figures", () => {
  it.each([
    ['circuit.acquire-settle.closed', 'ns', undefined, { opossum: 5, cockatiel: 2 }],
    ['circuit.acquire-settle.all-rules', 'ns', undefined, { opossum: 2, cockatiel: 1 }],
    ['circuit.reject.open', 'ns', undefined, { opossum: 50, cockatiel: 50 }],
    ['circuit.record-failure.window-1000', 'ns', undefined, { opossum: 100, cockatiel: 2 }],
    ['circuit.memory.idle', 'bytes', 1024, undefined],
    ['circuit.create.100k', 'ms', undefined, { opossum: 2 }],
  ])('%s has what it promises', (name, unit, budget, peersAtLeast) => {
    const row = rows.find((candidate) => candidate.name === name);
    expect([row?.unit, row?.budget, row?.peersAtLeast]).toEqual([unit, budget, peersAtLeast]);
  });
});
