import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { ENTRY_POINTS } from './scripts/entry-points.js';

/** As tsconfig.json's `paths`, which the compiler and the build read too. */
const alias = ENTRY_POINTS.map(({ specifier, source }) => ({
  find: new RegExp(`^${specifier}$`),
  replacement: fileURLToPath(new URL(source, import.meta.url)),
}));

export default defineConfig({
  resolve: { alias },
  test: {
    // A busy machine is no failure: these bound what hangs, and say nothing of how long anything may take.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // The servers are on this machine, at more addresses than a no_proxy is likely to list.
    env: { grpc_proxy: '', https_proxy: '', http_proxy: '' },
    projects: [
      { extends: true, test: { name: 'native', include: ['test/**/*.test.ts'] } },
      {
        // The interceptor does the same on either engine.
        extends: true,
        test: {
          name: 'opossum',
          include: ['test/call/**/*.test.ts', 'test/guard/**/*.test.ts'],
          env: { FAILSOFT_TEST_ENGINE: 'opossum' },
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/gen/**'],
      reporter: ['text-summary'],
    },
  },
});
