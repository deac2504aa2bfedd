import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PAGES, path, read } from './pages.js';

/** GitHub's anchor of each heading of a page. */
function anchorsOf(page: string): string[] {
  const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text);
  return headings.map((text) =>
    text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

const missing = (files: readonly string[]) => files.filter((file) => !existsSync(path(file)));

describe.each(PAGES)('%s', (page) => {
  const text = read(page);

  it('links to files and headings that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    const targets = links.map(([, file = '', anchor]) => ({
      file: file === '' ? page : join(dirname(page), file),
      anchor,
    }));
    expect(missing(targets.map(({ file }) => file))).toEqual([]);
    const dead = targets.filter(
      ({ file, anchor }) => anchor !== undefined && !anchorsOf(file).includes(anchor),
    );
    expect(dead).toEqual([]);
  });

  it('names files that exist', () => {
    const named = [
      ...text.matchAll(/`((?:src|test|docs|examples|bench|scripts|protos|drill|\.ci)\/[\w./-]+)`/g),
    ];
    expect(missing(named.map(([, file = '']) => file))).toEqual([]);
  });
});
