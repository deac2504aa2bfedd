import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
// Written so that this file does not hold what it looks for.
const FORBIDDEN = [
  {
    what: 'a path of the machine it was written on',
    pattern: /(^|[\s"'`(=:])\/(work|root|home\/\w+|Users\/\w+)\//m,
  },
  { what: "a registry's host", pattern: /registry\.(npmjs|yarnpkg|npmmirror)\b/ },
  { what: 'a merge that was not finished', pattern: /^(<{7}|>{7}) /m },
];

const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter(Boolean);

function textOf(path: string): string {
  try {
    const bytes = readFileSync(`${root}${path}`);
    return bytes.includes(0) ? '' : bytes.toString('utf8');
  } catch (error) {
    // Deleted in the working tree, and not yet in the index.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

describe('tracked files', () => {
  it('are found', () => {
    expect(files.length).toBeGreaterThan(100);
  });

  it.each(FORBIDDEN)('name nowhere $what', ({ pattern }) => {
    expect(files.filter((path) => pattern.test(textOf(path)))).toEqual([]);
  });

  it('register a hook at their top level only where they are tests: a worker loads a helper once, for all its files', () => {
    const helpers = files.filter((path) => /^test\/.*(?<!\.test)\.ts$/.test(path));
    expect(helpers.filter((path) => /^(before|after)(Each|All)\(/m.test(textOf(path)))).toEqual([]);
  });

  it('hold nothing that a build or an installation makes', () => {
    expect(files.filter((path) => /^(node_modules|dist|coverage)\/|\.(tgz|log)$/.test(path))).toEqual([]);
  });
});
