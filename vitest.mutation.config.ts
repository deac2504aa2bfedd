import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/**
 * The tests that are run once per mutant, by what is mutated (`FAILSOFT_MUTATED`, docs/mutation.md): without those that take long
 * by nature, and with short random runs.
 */
const TESTS = {
  circuit: { include: ['test/circuit/*.test.ts', 'test/contract/native.test.ts'], exclude: [] },
  call: {
    include: [
      'test/call/**/*.test.ts',
      'test/guard/*.test.ts',
      'test/status/*.test.ts',
      'test/fallback/chain/*.test.ts',
    ],
    exclude: ['test/call/**/{soak,endurance,differential}.test.ts'],
  },
} as const;

const mutated = process.env.FAILSOFT_MUTATED ?? 'circuit';
if (mutated !== 'circuit' && mutated !== 'call')
  throw new RangeError(`FAILSOFT_MUTATED: expected circuit or call, got ${JSON.stringify(mutated)}`);
const { include, exclude } = TESTS[mutated];

export default defineConfig({
  ...(base.resolve && { resolve: base.resolve }),
  test: {
    include: [...include],
    exclude: [...exclude],
    // As in vitest.config.ts: on a busy machine, a mutant must not count as found because its tests were slow.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: {
      FAILSOFT_MODEL_RUNS: '60',
      FAILSOFT_SIMULATED_CALLS: '2000',
      grpc_proxy: '',
      https_proxy: '',
      http_proxy: '',
    },
  },
});
