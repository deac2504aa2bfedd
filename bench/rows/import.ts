import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Row, Sampler } from '../lib/row.js';

// The time that a program waits for a package at its start. Each sample runs in a fresh process that has loaded grpc-js, as every
// user of failsoft does. The published files are measured: `npm run bench` builds them first.

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The duration of a statement in a new process, in milliseconds. */
function msAtStart(statement: string): Sampler {
  const code = `
    const { createRequire } = await import('node:module');
    const require = createRequire(${JSON.stringify(`${root}bench/`)});
    require('@grpc/grpc-js');
    const start = performance.now();
    ${statement}
    console.log(performance.now() - start);`;
  // Runs at the root of the repository, where Node finds the packages.
  return () =>
    Number(
      execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
        cwd: root,
        encoding: 'utf8',
      }),
    );
}

const peers = {
  opossum: msAtStart(`await import('opossum');`),
  cockatiel: msAtStart(`await import('cockatiel');`),
};

export const rows: readonly Row[] = [
  {
    name: 'import.failsoft',
    unit: 'ms',
    budget: 40,
    times: 2,
    open: () => ({ ours: msAtStart(`await import('./dist/index.js');`), ...peers }),
  },
  {
    name: 'import.failsoft.commonjs',
    unit: 'ms',
    budget: 40,
    times: 2,
    open: () => ({ ours: msAtStart(`require(${JSON.stringify(`${root}dist/index.cjs`)});`), ...peers }),
  },
];
