import { describe, expect, it } from 'vitest';
import { run } from './support.js';

/** The lines that a story prints, without the reasons of a circuit's changes. Other tests cover these. */
async function printed(name: string): Promise<string[]> {
  const program = run(`examples/${name}/main.ts`);
  expect(await program.ended(), program.stderr()).toBe(0);
  expect(program.stderr()).toBe('');
  const lines = program.stdout().trimEnd().split('\n');
  return lines.map((line) => (line.includes('circuit: ') ? line.replace(/ \(.*\)$/, '') : line));
}

describe('the stories', { timeout: 120_000 }, () => {
  it('pricing: the last price for half an hour, then no price', async () => {
    expect(await printed('pricing')).toEqual([
      'minute 0: all is well',
      '  mug: 12.50 EUR (primary)',
      'minute 5: the pricing model is down',
      '  mug: 12.50 EUR (last-good, 5 min old, because UNAVAILABLE)',
      '  lamp: price unavailable (default, because UNAVAILABLE)',
      'minute 5: after five failures in a row the circuit opens: no call reaches the model',
      '  mug: 12.50 EUR (last-good, 5 min old, because UNAVAILABLE)',
      '  mug: 12.50 EUR (last-good, 5 min old, because UNAVAILABLE)',
      '  circuit: closed -> open',
      '  mug: 12.50 EUR (last-good, 5 min old, because UNAVAILABLE)',
      '  mug: 12.50 EUR (last-good, 5 min old, because CIRCUIT_OPEN)',
      'minute 31: the last price has become too old',
      '  circuit: open -> half-open',
      '  circuit: half-open -> open',
      '  mug: price unavailable (default, because UNAVAILABLE)',
      'minute 32: the model is back: the next probe succeeds',
      '  circuit: open -> half-open',
      '  circuit: half-open -> recovering',
      '  mug: 13.00 EUR (primary)',
    ]);
  });

  it("recommendations: the country's bestsellers, without a wait after three pages", async () => {
    expect(await printed('recommendations')).toEqual([
      'all is well',
      '  ada in DE: boots for ada, scarf for ada (primary)',
      'the recommender hangs: three pages wait for their deadline',
      '  ada in DE: umbrella, bicycle (default, because DEADLINE_EXCEEDED)',
      '  ada in IT: espresso pot, sunglasses (default, because DEADLINE_EXCEEDED)',
      '  circuit: closed -> open',
      '  ada in FR: gift card (default, because DEADLINE_EXCEEDED)',
      'the circuit is open: the next pages do not wait',
      '  bob in DE: umbrella, bicycle (default, because CIRCUIT_OPEN)',
      '  bob in IT: espresso pot, sunglasses (default, because CIRCUIT_OPEN)',
      '  bob in FR: gift card (default, because CIRCUIT_OPEN)',
      '  6 pages shown; the recommender was called 3 times',
      'ten seconds later the recommender is back: a probe succeeds',
      '  circuit: open -> half-open',
      '  circuit: half-open -> recovering',
      '  ada in DE: boots for ada, scarf for ada (primary)',
      'pages come ten at a time: each answer lets more of them through',
      '  round trip 1: 2 of 10 pages are personal',
      '  round trip 2: 4 of 10 pages are personal',
      '  round trip 3: 8 of 10 pages are personal',
      '  round trip 4: 10 of 10 pages are personal',
      '  round trip 5: 10 of 10 pages are personal',
      '  round trip 6: 10 of 10 pages are personal',
    ]);
  });

  it('trading: no order without a forecast of the model itself', async () => {
    const lines = await printed('trading');
    expect(lines).toEqual([
      'second 0: all is well',
      '  desk: demand low, buys 10 MWh',
      '  screen: demand low (fresh)',
      'second 10: the model fails',
      '  desk: HALT, no order (13 INTERNAL: CUDA error)',
      '  screen: demand low (10 s old)',
      'second 10: it fails again: both circuits open',
      "  desk's circuit: closed -> open",
      '  desk: HALT, no order (13 INTERNAL: CUDA error)',
      '  screen: demand low (10 s old)',
      'second 10: no call reaches it any more',
      '  desk: HALT, no order (CIRCUIT_OPEN, try again in 30 s)',
      '  screen: demand low (10 s old)',
      'second 39: the model is well again, but both circuits are still open',
      '  desk: HALT, no order (CIRCUIT_OPEN, try again in 1 s)',
      '  screen: demand low (39 s old)',
      'second 40: the open time is over: the next call is a probe, and succeeds',
      "  desk's circuit: open -> half-open",
      "  desk's circuit: half-open -> closed",
      '  desk: demand low, buys 10 MWh',
      '  screen: demand low (fresh)',
      'second 40: the risk officer isolates the desk: no call is made, though the model is well',
      '  desk: HALT, no order (ISOLATED)',
      '  screen: demand low (fresh)',
      'second 40: the risk officer releases it',
      '  desk: demand low, buys 10 MWh',
      '  screen: demand low (fresh)',
    ]);
  });

  it('nest: a provider owns the guard of a NestJS client, and closes it with the module', async () => {
    expect(await printed('nest')).toEqual([
      'all is well: level 1 from primary',
      'the model fails: level 1 from last-good',
      'an input that it never saw: level 2 from default',
      '  circuit: closed -> open',
      'its circuit is open: level 1 from last-good',
      'the application is closed, and its guard with it: FAILSOFT_CLOSED',
    ]);
  });
});
