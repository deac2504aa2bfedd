import type { Sampler } from './row.js';

/** The least duration of a sample of a loop. */
const SAMPLE_NS = 20_000_000;

/** Nanoseconds per call of a synchronous function, in a loop long enough for the clock. */
export function nsPerCall(fn: () => void): Sampler {
  let times = 0;
  const run = (count: number) => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) fn();
    return Number(process.hrtime.bigint() - start);
  };
  return () => {
    if (times === 0) times = calibrate(run);
    return run(times) / times;
  };
}

/** Nanoseconds per call of an asynchronous function, in sequence. */
export function nsPerAsyncCall(fn: () => Promise<unknown>): Sampler {
  let times = 0;
  const run = async (count: number) => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < count; i++) await fn();
    return Number(process.hrtime.bigint() - start);
  };
  return async () => {
    for (let count = 64; times === 0; count *= 2) if ((await run(count)) >= SAMPLE_NS) times = count;
    return (await run(times)) / times;
  };
}

function calibrate(run: (count: number) => number): number {
  for (let count = 1024; ; count *= 2) if (run(count) >= SAMPLE_NS) return count;
}

/** Bytes that an object keeps, on the heap and outside; `dispose` is called for each afterwards. */
export function bytesPerThing<T>(
  count: number,
  make: (index: number) => T,
  dispose?: (thing: T) => void,
): Sampler {
  return () => {
    const things = new Array<T | undefined>(count).fill(undefined);
    const before = settledBytes();
    for (let i = 0; i < count; i++) things[i] = make(i);
    const bytes = (settledBytes() - before) / count;
    for (const thing of things) if (thing !== undefined) dispose?.(thing);
    return bytes;
  };
}

/** Bytes allocated per call, kept or not. The young generation must hold all of them. */
export function bytesPerCall(count: number, fn: () => void): Sampler {
  for (let i = 0; i < 100_000; i++) fn();
  return () => {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < count; i++) fn();
    return (process.memoryUsage().heapUsed - before) / count;
  };
}

/** Milliseconds to make `count` objects. */
export function msToMake<T>(
  count: number,
  make: (index: number) => T,
  dispose?: (thing: T) => void,
): Sampler {
  return () => {
    const things = new Array<T | undefined>(count).fill(undefined);
    collectGarbage();
    const start = performance.now();
    for (let i = 0; i < count; i++) things[i] = make(i);
    const ms = performance.now() - start;
    for (const thing of things) if (thing !== undefined) dispose?.(thing);
    return ms;
  };
}

function settledBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc (npm run bench does)');
  globalThis.gc();
  globalThis.gc();
}
