import { readFileSync } from 'node:fs';

/** A path that users import. */
export interface EntryPoint {
  /** The import specifier: `failsoft/opossum`. */
  readonly specifier: string;
  /** The name of its files in dist/: `opossum`; `index` for `failsoft` itself. */
  readonly name: string;
  /** `./src/engines/opossum/index.ts` */
  readonly source: string;
}

const { compilerOptions } = readJson('../tsconfig.json');

/** The entry points from tsconfig.json's `paths`, so that the compiler, the tests and the build agree. */
export const ENTRY_POINTS: readonly EntryPoint[] = Object.entries(compilerOptions.paths).map(
  ([specifier, [source]]) => ({ specifier, name: specifier.replace(/^failsoft\/?/, '') || 'index', source }),
);

function readJson(path: string): { compilerOptions: { paths: Record<string, readonly [string]> } } {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
}
