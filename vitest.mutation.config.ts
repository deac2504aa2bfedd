import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/** The tests that guard `src/circuit`, with short random runs: they are run once per mutant. */
export default defineConfig({
  ...(base.resolve && { resolve: base.resolve }),
  test: {
    include: ['test/circuit/*.test.ts', 'test/contract/native.test.ts'],
    env: { FAILSOFT_MODEL_RUNS: '60', FAILSOFT_SIMULATED_CALLS: '2000' },
  },
});
