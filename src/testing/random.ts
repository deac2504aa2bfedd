/**
 * A small seeded generator (mulberry32): the same seed gives the same numbers on every machine. Not for secrets.
 * @param seed any number; only its lowest 32 bits count.
 * @returns a function like `Math.random`: uniform in [0, 1).
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws a value of the standard normal distribution (Box-Muller) from two values of a uniform generator. */
export function standardNormal(random: () => number): number {
  // 1 - u lies in (0, 1]: its logarithm is finite.
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
