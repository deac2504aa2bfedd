import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { path, read } from './pages.js';

describe('docs/architecture.md', () => {
  it('shows each way of a call in at most 8 files, which exist', () => {
    const [, table = ''] = /^(\| an OK unary call .*?)\n\n/ms.exec(read('docs/architecture.md')) ?? [];
    const rows = table.split('\n').slice(2);
    const ways = [0, 1, 2].map((way) =>
      rows.flatMap((row) => /`([\w-]+\.ts)`/.exec(row.split('|')[way + 1] ?? '')?.[1] ?? []),
    );
    for (const files of ways) {
      expect(files.length).toBeGreaterThan(3);
      expect(files.length).toBeLessThanOrEqual(8);
      expect(files.filter((file) => !existsSync(path(`src/call/${file}`)))).toEqual([]);
    }
  });
});
