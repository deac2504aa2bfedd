/** One value of the standard normal distribution (Box-Muller), from two of a uniform generator. */
export function standardNormal(random: () => number): number {
  // 1 - u lies in (0, 1]: its logarithm is finite.
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
