import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inferResponse, tensor } from 'failsoft/oip';
import { startMockServer } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { path, read } from '../docs/pages.js';
import { etcdService } from './libraries/etcd3.js';
import { LIBRARIES } from './libraries/index.js';
import type { Library } from './library.js';
import { tellStory } from './story.js';

const require = createRequire(import.meta.url);
/** The libraries whose story ran. */
const told: Library[] = [];

describe.each(LIBRARIES.map((library) => [library.name, library] as const))('%s', (_name, library) => {
  it('is answered while its server fails, and calls it again when it is back', {
    timeout: 30_000,
  }, async () => {
    await tellStory({
      ...library,
      circuitKey: () => library.circuitKey,
      serve: async () => {
        const server = await startMockServer({
          models: { m: (request) => inferResponse(request, { y: tensor(request, 'x') }) },
          services: [etcdService],
        });
        return {
          address: server.address,
          setDown: (isDown) => {
            if (isDown) server.faults.set(library.faults, { error: { code: 14 } });
            else server.faults.clear();
          },
          close: () => server.close(),
        };
      },
    });
    told.push(library);
  });
});

/** The libraries that are too large for the lock. The gate tells their stories: `.ci/try-clients.mjs`. */
const GATE = '.ci/consumers/clients';
type Row = Pick<Library, 'name' | 'packages' | 'attached' | 'lines' | 'source'>;
const large: Record<string, Row> = JSON.parse(read(`${GATE}/rows.json`));
const installed: { dependencies: Record<string, string> } = JSON.parse(read(`${GATE}/package.json`));

describe('docs/clients.md', () => {
  it('names the versions that the gate installs of the large libraries', () => {
    const packages = Object.values(large).flatMap((row) => row.packages);
    expect(packages.map(versionInGate)).toEqual(packages.map(() => expect.stringMatching(/^\d+\.\d+\.\d+$/)));
  });

  it('has the table of what the stories ran: FAILSOFT_WRITE_DOCS=1 writes it', () => {
    expect(told).toEqual(LIBRARIES);
    const page = read('docs/clients.md');
    const rows = [
      ...told.map((library) => rowOf(library, versionOf)),
      ...Object.values(large).map((row) => rowOf(row, versionInGate)),
    ];
    const table = `${[...HEAD, ...rows].join('\n')}\n`;
    const written = page.replace(/(<!-- tested -->\n)[\s\S]*?(<!-- \/tested -->)/, `$1${table}$2`);
    if (process.env.FAILSOFT_WRITE_DOCS === '1') writeFileSync(path('docs/clients.md'), written);
    else expect(page).toBe(written);
  });
});

const HEAD = ['| client | tested with | lines | attached by | source read by |', '|---|---|---|---|---|'];

function rowOf({ name, packages, attached, lines, source }: Row, version: (name: string) => string): string {
  const versions = packages.map((each) => `${each} ${version(each)}`).join(', ') || '–';
  return `| ${name} | ${versions} | ${lines} | ${attached} | ${source} |`;
}

function versionInGate(name: string): string {
  return installed.dependencies[name] ?? 'not installed';
}

function versionOf(name: string): string {
  // not every package exports its package.json
  const folders = require.resolve.paths(name) ?? [];
  for (const each of folders.map((folder) => `${folder}/${name}/package.json`)) {
    try {
      const { version }: { version: string } = JSON.parse(readFileSync(each, 'utf8'));
      return version;
    } catch {
      // the next folder
    }
  }
  throw new Error(`${name} is not installed`);
}
