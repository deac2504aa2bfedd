/** The rank, from 1, of the nearest-rank percentile of `calls` values. */
export function nearestRank(percentile: number, calls: number): number {
  // without the small number, floating point would make 99.9 % of 1000 slightly more than 999
  return Math.max(1, Math.ceil((percentile * calls) / 100 - 1e-9));
}
