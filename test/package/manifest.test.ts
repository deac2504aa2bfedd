import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ENTRY_POINTS } from '../../scripts/entry-points.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const text = (path: string) => readFileSync(`${root}${path}`, 'utf8');

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optionalDependencies?: Record<string, string>;
}

interface Manifest {
  readonly exports: Record<string, unknown>;
  readonly main: string;
  readonly types: string;
  readonly typesVersions: Record<string, unknown>;
  readonly bin: Record<string, string>;
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { readonly optional: boolean }>;
}

const manifest: Manifest = JSON.parse(text('package.json'));
const lock: { readonly packages: Record<string, LockedPackage> } = JSON.parse(text('package-lock.json'));

describe('exports', () => {
  it('are the entry points of tsconfig.json, each an ES module and CommonJS with types of their own', () => {
    const subpaths = ENTRY_POINTS.map(({ specifier, name }) => [
      specifier.replace('failsoft', '.'),
      {
        import: { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` },
        require: { types: `./dist/${name}.d.cts`, default: `./dist/${name}.cjs` },
      },
    ]);
    expect(manifest.exports).toEqual({
      ...Object.fromEntries(subpaths),
      './protos/*.proto': './protos/*.proto',
      './package.json': './package.json',
    });
  });

  it('are there for compilers that read no exports (moduleResolution node10)', () => {
    const { main, types, typesVersions } = manifest;
    expect({ main, types }).toEqual({ main: './dist/index.cjs', types: './dist/index.d.cts' });
    const others = ENTRY_POINTS.filter(({ name }) => name !== 'index');
    expect(typesVersions).toEqual({
      '*': Object.fromEntries(others.map(({ name }) => [name, [`./dist/${name}.d.cts`]])),
    });
  });

  it.each(ENTRY_POINTS)('$specifier is its source in the tests', async ({ specifier, source }) => {
    expect(await import(specifier)).toBe(await import(`${root}${source}`));
  });

  it('has one executable, whose source has a shebang', () => {
    expect(manifest.bin).toEqual({ 'failsoft-mock-server': './dist/failsoft-mock-server.js' });
    expect(text('src/testing/cli.ts')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});

describe('dependencies', () => {
  const peers = Object.entries(manifest.peerDependencies);

  it.each(peers)('the peer %s is tested in its range %s', (name, range) => {
    const installed = lock.packages[`node_modules/${name}`]?.version ?? 'not installed';
    expect(manifest.devDependencies).toHaveProperty([name]);
    const found = numbers(installed);
    // not below, and the same major version after `^`, the same minor version too after `~`
    const fitting = range.split(' || ').filter((part) => {
      expect(part).toMatch(/^[~^][1-9]\d*\.\d+\.\d+$/);
      const lowest = numbers(part.slice(1));
      const fixed = part.startsWith('~') ? 2 : 1;
      return compare(found.slice(0, fixed), lowest.slice(0, fixed)) === 0 && compare(found, lowest) >= 0;
    });
    expect(fitting).toHaveLength(1);
  });

  it('has no peer but grpc-js that a user must install', () => {
    const optional = Object.entries(manifest.peerDependenciesMeta).filter(([, meta]) => meta.optional);
    expect(['@grpc/grpc-js', ...optional.map(([name]) => name)].sort()).toEqual(
      peers.map(([name]) => name).sort(),
    );
  });

  it('locks the packages of every platform, without which npm ci refuses the lock', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });

  it('locks no registry', () => {
    expect(Object.keys(lock.packages).filter((path) => lock.packages[path]?.resolved)).toEqual([]);
  });
});

describe('documents', () => {
  it.each(['README.md', 'CONTRIBUTING.md'])('%s names only scripts that exist', (path) => {
    const named = [...text(path).matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)].map(
      ([, script]) => script ?? '',
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((script) => !Object.hasOwn(manifest.scripts, script))).toEqual([]);
  });
});

const numbers = (version: string) => version.split('.').map(Number);

function compare(a: readonly number[], b: readonly number[]): number {
  return (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0) || (a[2] ?? 0) - (b[2] ?? 0);
}
