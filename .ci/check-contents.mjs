// Checks what a packed tarball holds: all that a user needs, nothing that only the repository needs.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [tarball] = process.argv.slice(2);
const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .map((path) => path.replace(/^package\//, ''));
const { exports, bin } = JSON.parse(readFileSync('package.json', 'utf8'));

const wanted = [
  ...['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE'],
  ...pathsIn(exports),
  ...Object.values(bin),
  ...execFileSync('git', ['ls-files', 'protos'], { encoding: 'utf8' }).trim().split('\n'),
].map((path) => path.replace(/^\.\//, ''));
const missing = wanted.filter((path) => !files.includes(path));
const surplus = files.filter(
  (path) =>
    !/^(dist\/.*\.(js|cjs|js\.map|cjs\.map|d\.ts|d\.cts)|protos\/.*\.proto|package\.json|[A-Z]+(\.md)?)$/.test(
      path,
    ),
);

console.log(`${files.length} files`);
for (const path of missing) console.error(`missing: ${path}`);
for (const path of surplus) console.error(`not meant for users: ${path}`);
if (missing.length + surplus.length > 0) process.exitCode = 1;

/** The files that package.json's exports name, under whatever conditions; the pattern for protos/ names none. */
function pathsIn(entry) {
  if (typeof entry !== 'string') return Object.values(entry).flatMap(pathsIn);
  return entry.includes('*') ? [] : [entry];
}
