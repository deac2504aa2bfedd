import { describe, expect, it } from 'vitest';
import { probeLimitMs } from '../../src/recovery/probe-limit.js';

const NONE = Number.POSITIVE_INFINITY;
const timeout = (probeTimeoutMs?: number) => ({
  options: probeTimeoutMs === undefined ? {} : { halfOpen: { probeTimeoutMs } },
});

describe('the deadline of a synthetic probe', () => {
  it.each([
    ['nothing is known', timeout(), NONE, 0, 10_000],
    ['the circuit has a limit for probes', timeout(3_000), NONE, 0, 3_000],
    ['the method has a default deadline', timeout(), 500, 0, 500],
    ['calls usually take 1 ms', timeout(), NONE, 1, 500],
    ['calls usually take 20 ms', timeout(), NONE, 20, 500],
    ['calls usually take 30 ms', timeout(), NONE, 30, 600],
    ['calls usually take 200 ms', timeout(), NONE, 200, 4_000],
    ['calls usually take 2 s', timeout(), NONE, 2_000, 10_000],
    ['the default deadline is shorter than that', timeout(3_000), 500, 200, 500],
  ])('%s', (_when, circuit, defaultDeadlineMs, usualMs, expected) => {
    expect(probeLimitMs(circuit, defaultDeadlineMs, usualMs)).toBe(expected);
  });
});
