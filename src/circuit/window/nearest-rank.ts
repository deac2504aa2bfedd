/** The rank, from 1, of the nearest-rank percentile of `calls` values. */
export function nearestRank(percentile: number, calls: number): number {
  // 99.9 % of 1000 is 999, not the 999.0000000000001 that floating point makes of it
  return Math.max(1, Math.ceil((percentile * calls) / 100 - 1e-9));
}
