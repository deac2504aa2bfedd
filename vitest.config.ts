import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^failsoft$/, replacement: src('index.ts') },
      { find: /^failsoft\/testing$/, replacement: src('testing/index.ts') },
      { find: /^failsoft\/opossum$/, replacement: src('engines/opossum/index.ts') },
      { find: /^failsoft\/queue-level$/, replacement: src('fallback/deferred/queue-level/index.ts') },
      { find: /^failsoft\/queue-bullmq$/, replacement: src('fallback/deferred/queue-bullmq/index.ts') },
      { find: /^failsoft\/protos\/oip$/, replacement: src('gen/inference/grpc_service.ts') },
      { find: /^failsoft\/protos\/mock$/, replacement: src('gen/failsoft/mock/v1/fault.ts') },
    ],
  },
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
