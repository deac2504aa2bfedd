import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { path, read } from '../docs/pages.js';
import type { Adapter } from './adapters/adapter.js';
import { connectAdapters } from './adapters/connect.js';
import { fetchAdapter, undiciAdapter } from './adapters/http.js';
import { niceChannel, niceMiddleware } from './adapters/nice-grpc.js';
import { tellStory } from './story.js';

/** In the order of the table. */
const ADAPTERS: readonly Adapter[] = [
  fetchAdapter,
  undiciAdapter,
  niceChannel,
  niceMiddleware,
  ...connectAdapters,
];
/** The adapters whose story ran. */
const told: Adapter[] = [];

describe.each(ADAPTERS.map((adapter) => [adapter.name, adapter] as const))('%s', (_name, adapter) => {
  it('is answered while its server fails, and calls it again when it is back', {
    timeout: 30_000,
  }, async () => {
    await tellStory(adapter);
    told.push(adapter);
  });
});

describe('docs/clients.md', () => {
  it('has the table of the adapters whose stories ran: FAILSOFT_WRITE_DOCS=1 writes it', () => {
    expect(told).toEqual(ADAPTERS);
    const rows = told.map(({ name, packages, attached, source }) => {
      const versions = packages.map((each) => `${each} ${versionOf(each)}`).join(', ') || "Node's own";
      return `| ${name} | ${versions} | ${attached} | ${source} |`;
    });
    const table = ['| client | tested with | attached by | source read by |', '|---|---|---|---|', ...rows];
    const page = read('docs/clients.md');
    const written = page.replace(
      /(<!-- adapters -->\n)[\s\S]*?(<!-- \/adapters -->)/,
      `$1${table.join('\n')}\n$2`,
    );
    if (process.env.FAILSOFT_WRITE_DOCS === '1') writeFileSync(path('docs/clients.md'), written);
    else expect(page).toBe(written);
  });
});

/** Of the lock: the gate also runs this test with other versions. */
function versionOf(name: string): string {
  const { packages }: { packages: Record<string, { version: string }> } = JSON.parse(
    read('package-lock.json'),
  );
  return packages[`node_modules/${name}`]?.version ?? 'not in the lock';
}
