import { copyFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const done = new Map<string, string>();

/** Each worker writes to a folder of its own. */
const folder = () => {
  const run = process.env.FAILSOFT_TEST_PROGRAMS;
  if (run === undefined) throw new Error('FAILSOFT_TEST_PROGRAMS: test/support/programs-setup.ts sets it');
  return join(run, String(process.pid));
};

/**
 * Compiles a program that a test runs as a process of its own, once per worker: a TypeScript loader would take several times
 * as long, at every start.
 * @param file the path from the repository's root, or in full
 * @param others programs that it starts itself; they keep their place relative to it
 * @returns the path of its JavaScript, which is one file with all that the program takes from this repository
 */
export function compiled(file: string, ...others: readonly string[]): string {
  const source = relative(root, join(file.startsWith(root) ? '' : root, file));
  const known = done.get(source);
  if (known !== undefined) return known;
  buildSync({
    absWorkingDir: root,
    entryPoints: [source, ...others],
    outdir: folder(),
    outbase: root,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  copyAssets(dirname(source));
  const path = join(folder(), source).replace(/\.ts$/, '.js');
  done.set(source, path);
  return path;
}

/** What is no TypeScript lies beside the program as it does in the repository. */
function copyAssets(directory: string): void {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.ts')) continue;
    copyFileSync(join(root, directory, entry.name), join(folder(), directory, entry.name));
  }
}
