// Tells the story of each library of rows.json: node main.mjs
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { tell } from './story.mjs';

const read = (file) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'));
const rows = read('rows.json');
const files = readdirSync(new URL('libraries', import.meta.url));
assert.deepEqual(files.map((file) => file.replace(/\.mjs$/, '')).sort(), Object.keys(rows).sort());

for (const [row, { packages }] of Object.entries(rows)) {
  const { library } = await import(`./libraries/${row}.mjs`);
  const started = performance.now();
  await tell(library);
  const versions = packages.map((name) => `${name} ${read(`node_modules/${name}/package.json`).version}`);
  console.log(`${row}: ${versions.join(', ')}, ${Math.round(performance.now() - started)} ms`);
}
