import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Ledger } from './ledger.js';
import { later } from './world.js';

const SAMPLES = 24;
/**
 * How much larger the heap may be in the last third than in the first: a quarter, for what is compiled and cached only after a
 * while, and 6 MB, for the noise of a run of seconds. Both are medians of samples after a collection.
 */
const GROWTH = 1.25;
const NOISE_BYTES = 6_000_000;

export interface Measured {
  readonly heapAtStartMb: number;
  readonly heapAtEndMb: number;
  readonly worstLoopDelayMs: number;
}

/** Collects garbage and reads the heap, at even intervals, until the soak is over; then compares. */
export async function watchHeap(seconds: number, collect: () => void, ledger: Ledger): Promise<Measured> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const samples: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await later((seconds * 1_000) / SAMPLES);
    collect();
    samples.push(process.memoryUsage().heapUsed);
  }
  delay.disable();
  const start = median(samples.slice(0, SAMPLES / 3));
  const end = median(samples.slice(-SAMPLES / 3));
  if (end > start * GROWTH + NOISE_BYTES)
    ledger.fail(
      `memory is not flat: the heap was ${megabytes(start)} MB in the first third, and ${megabytes(end)} MB in the last`,
    );
  return {
    heapAtStartMb: megabytes(start),
    heapAtEndMb: megabytes(end),
    worstLoopDelayMs: Math.round(delay.max / 1e6),
  };
}

function median(samples: readonly number[]): number {
  return [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}
