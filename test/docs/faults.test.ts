import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { path, read } from './pages.js';

describe('docs/faults.md', () => {
  const rows = read('docs/faults.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| must never happen'));

  it('names for each fault a test that exists', () => {
    expect(rows.length).toBeGreaterThan(15);
    const unwatched = rows.filter((row) => {
      const files = [...row.matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, file = '']) => file);
      return files.length === 0 || files.some((file) => !existsSync(path(file)));
    });
    expect(unwatched).toEqual([]);
  });
});
