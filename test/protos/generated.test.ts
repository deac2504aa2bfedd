import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const buf = join(root, 'node_modules/.bin/buf');
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: 'pipe' });

/** Every file below a directory, by its path in it. */
function contents(directory: string): Map<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((file) => join(file.parentPath, file.name)).sort();
  return new Map(paths.map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')]));
}

it('the protos pass buf lint and are formatted', () => {
  expect(run(buf, 'lint')).toBe('');
  expect(run(buf, 'format', '--diff')).toBe('');
});

it('the committed code is the code that the protos generate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'failsoft-generated-'));
  try {
    run(buf, 'generate', '--output', directory);
    const fresh = join(directory, 'src/gen');
    run(process.execPath, '--import', 'tsx', 'scripts/emit-descriptors.ts', join(fresh, 'descriptors.ts'));
    const committed = contents(join(root, 'src/gen'));
    // made from the page's sources, not from protos: test/telemetry/dashboard compares it
    expect(committed.delete('dashboard/assets.ts')).toBe(true);
    expect(committed.size).toBeGreaterThan(5);
    expect(contents(fresh)).toEqual(committed);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
