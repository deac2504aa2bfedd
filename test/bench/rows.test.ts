import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Row } from '../../bench/lib/row.js';
import { path, read } from '../docs/pages.js';

/** The first cells of the tables of docs/performance.md, in full: `.1k` behind `scale.circuits.1` is `scale.circuits.1k`. */
function documentedRows(): string[] {
  const names: string[] = [];
  for (const [, cell = ''] of read('docs/performance.md').matchAll(/^\| (`[^|]+) \|/gm)) {
    for (const [, name = ''] of cell.matchAll(/`([^`]+)`/g)) {
      const before = names.at(-1) ?? '';
      names.push(name.startsWith('.') ? before.slice(0, before.lastIndexOf('.')) + name : name);
    }
  }
  return names;
}

const matches = (pattern: string, name: string) =>
  new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.+')}$`).test(name);

describe('docs/performance.md', () => {
  const names: string[] = [];

  beforeAll(async () => {
    for (const file of readdirSync(path('bench/rows'))) {
      const { rows }: { rows: readonly Row[] } = await import(path(`bench/rows/${file}`));
      names.push(...rows.map(({ name }) => name));
    }
  });

  it('explains each row of the benchmark', () => {
    expect(names.length).toBeGreaterThan(30);
    const patterns = documentedRows();
    expect(names.filter((name) => !patterns.some((pattern) => matches(pattern, name)))).toEqual([]);
  });

  it('explains no row that does not exist', () => {
    expect(documentedRows().filter((pattern) => !names.some((name) => matches(pattern, name)))).toEqual([]);
  });

  it('measures how keeping answers delays the event loop, beside a client without a guard', async () => {
    const { rows }: { rows: readonly Row[] } = await import(path('bench/rows/loop.ts'));
    expect(rows.map(({ name, unit }) => `${name} ${unit}`)).toEqual(
      ['1kB', '100kB', '4MB'].map((size) => `fallback.lastGood.loop.p99.${size} ms`),
    );
    for (const row of rows)
      expect(await row.open()).toMatchObject({ ours: expect.any(Function), floor: expect.any(Function) });
  });
});
