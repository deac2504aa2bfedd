import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Makes the folder of `compiled()`, inside node_modules, where the programs find their packages; and removes it at the end. */
export default function setup(): (() => void) | undefined {
  // once for all projects
  if (process.env.FAILSOFT_TEST_PROGRAMS !== undefined) return undefined;
  const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(`${cache}failsoft-programs-`);
  // for the files of the package that are no modules
  mkdirSync(`${folder}/node_modules`);
  symlinkSync(
    fileURLToPath(new URL('../..', import.meta.url)),
    `${folder}/node_modules/failsoft`,
    'junction',
  );
  process.env.FAILSOFT_TEST_PROGRAMS = folder;
  return () => rmSync(folder, { recursive: true });
}
