// Exits 1 unless every grpc-js under node_modules has the version of the first argument.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [expected] = process.argv.slice(2);
const found = execFileSync('find', ['node_modules', '-path', '*/@grpc/grpc-js/package.json'], {
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .map((path) => ({ path, version: JSON.parse(readFileSync(path, 'utf8')).version }));
for (const { path, version } of found) console.log(`grpc-js ${version} (${path})`);
if (found.length === 0 || found.some(({ version }) => version !== expected)) {
  console.error(`expected nothing but grpc-js ${expected}`);
  process.exitCode = 1;
}
