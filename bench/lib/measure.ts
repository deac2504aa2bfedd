import { seededRandom } from 'failsoft/testing';
import type { Result, Row, Sampler, Subjects } from './row.js';

const NAMES = ['ours', 'floor', 'opossum', 'cockatiel'] as const;

/**
 * The median over interleaved rounds: when the machine is slow for a while, it is slow for all candidates. The order
 * changes with each round, because a candidate that always followed the same candidate would pay for the garbage of that one.
 */
export async function measure(row: Row, rounds: number): Promise<Result> {
  const subjects = await row.open();
  try {
    const random = seededRandom(1);
    const samples: Partial<Record<(typeof NAMES)[number], number[]>> = {};
    const { times = 1 } = row;
    // the first rounds warm up and are not counted
    for (let round = -times; round < rounds * times; round++) {
      for (const name of shuffled(NAMES, random)) {
        const sampler = subjects[name];
        if (!sampler) continue;
        const value = await sampler();
        if (round >= 0) samples[name] = [...(samples[name] ?? []), value];
      }
    }
    const peer = (name: 'opossum' | 'cockatiel') => (samples[name] ? { [name]: median(samples[name]) } : {});
    return {
      name: row.name,
      unit: row.unit,
      ours: median(samples.ours ?? []),
      ...(samples.floor && {
        floor: median(samples.floor),
        ofFloor: pairedRatio(samples.ours, samples.floor),
      }),
      peers: { ...peer('opossum'), ...peer('cockatiel') },
    };
  } finally {
    await subjects.close?.();
  }
}

/** The median of the ratios of single rounds. A ratio does not depend on the speed of the machine in its round. */
function pairedRatio(ours: readonly number[] = [], floor: readonly number[] = []): number {
  return median(ours.map((value, round) => value / (floor[round] ?? Number.NaN)));
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const value = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return Math.round(value * 100) / 100;
}

export type { Sampler, Subjects };
