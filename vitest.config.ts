import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { ENTRY_POINTS } from './scripts/entry-points.js';
import { inFull } from './test/support/long.js';

/** As tsconfig.json's `paths`, which the compiler and the build read too. */
const alias = ENTRY_POINTS.map(({ specifier, source }) => ({
  find: new RegExp(`^${specifier}$`),
  replacement: fileURLToPath(new URL(source, import.meta.url)),
}));

/** The test files that make their guards with test/support/guard.ts, on the engine that a project names. */
const onEitherEngine = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .map((file) => `test/${file}`)
  .filter((file) => file.endsWith('.test.ts'))
  // what a server or an interceptor does to a call is the same to it on either engine
  .filter((file) => !/hostile\/(raw-|odd-)/.test(file))
  .filter((file) => /support\/guard(-variants)?\.js/.test(readFileSync(file, 'utf8')));

/** A guard whose circuit never opens does on one engine what it does on the other. That it does, only the gate finds out. */
const neverOpen = ['transparency', 'differential', 'hostile/raw-*', 'hostile/odd-statuses'].map(
  (name) => `test/call/${name}.test.ts`,
);

/** Begins with the files that take longest, most of it waiting for other processes, so that none of them is left for the end. */
class LongestFirst extends BaseSequencer {
  static readonly #LONGEST =
    /\/(browser|demo|demo-stopped|observability|gateway-latency|deferred-sigkill|soak|raw-[\w-]+|transparency|queue-[\w-]+)\.test\.ts$/;

  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => LongestFirst.#LONGEST.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  resolve: { alias },
  test: {
    globalSetup: 'test/support/programs-setup.ts',
    // Many tests make user code fail on purpose, and listen to the warning: it is not printed too.
    execArgv: ['--disable-warning=FailsoftWarning'],
    // The files share each worker's modules: to load them anew for each file takes longer than the tests. What a file changes
    // beyond itself (timers, spies, the environment) it puts back; the gate also runs the files apart (--isolate).
    isolate: false,
    // Some files wait more than they compute.
    maxWorkers: availableParallelism() + 2,
    sequence: { sequencer: LongestFirst },
    // A busy machine is no failure: these bound what hangs, and say nothing of how long anything may take.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // The servers are on this machine, at more addresses than a no_proxy is likely to list.
    env: { grpc_proxy: '', https_proxy: '', http_proxy: '' },
    projects: [
      { extends: true, test: { name: 'native', include: ['test/**/*.test.ts'] } },
      {
        // The interceptor does the same on either engine. The other files would only do the same again.
        extends: true,
        test: {
          name: 'opossum',
          include: onEitherEngine,
          exclude: inFull([], neverOpen),
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
