import { readFileSync } from 'node:fs';

/** One of the paths that a user imports. */
export interface EntryPoint {
  /** As a user writes it: `failsoft/opossum`. */
  readonly specifier: string;
  /** As its files in dist/ are named: `opossum`; `index` is `failsoft` itself. */
  readonly name: string;
  /** `./src/engines/opossum/index.ts` */
  readonly source: string;
}

const { compilerOptions } = readJson('../tsconfig.json');

/** The entry points as tsconfig.json's `paths` list them, so that the compiler, the tests and the build agree. */
export const ENTRY_POINTS: readonly EntryPoint[] = Object.entries(compilerOptions.paths).map(
  ([specifier, [source]]) => ({ specifier, name: specifier.replace(/^failsoft\/?/, '') || 'index', source }),
);

function readJson(path: string): { compilerOptions: { paths: Record<string, readonly [string]> } } {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
}
