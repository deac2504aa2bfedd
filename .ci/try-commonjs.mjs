// Installs a packed tarball into a CommonJS project as NestJS makes them: node .ci/try-commonjs.mjs TARBALL
// It is compiled by the TypeScript before the newest, with both module resolutions that such projects have, run without
// require(esm), and tested by Jest, plain and with ts-jest.
import { resolve } from 'node:path';
import { asDeveloped, manifest, withProject } from './consumers/project.mjs';

const [tarball] = process.argv.slice(2);
const EXPECTED = { sources: ['primary', 'default'], rest: Array(9).fill('function') };

await withProject('commonjs', async ({ run, install, bin }) => {
  const peers = Object.keys(manifest.peerDependenciesMeta);
  const tools = ['typescript@5', '@types/node@20', 'jest@30', '@types/jest@30', 'ts-jest@29'];
  install(resolve(tarball), '@grpc/grpc-js@latest', ...asDeveloped(...peers), ...tools);
  for (const [resolution, config] of [
    ['node10', 'tsconfig.json'],
    ['node16', 'tsconfig.node16.json'],
  ]) {
    bin('tsc', '-p', config);
    const printed = run('node', '--no-experimental-require-module', `dist/${resolution}/main.js`).trim();
    console.log(printed);
    if (printed !== JSON.stringify(EXPECTED)) throw new Error(`expected ${JSON.stringify(EXPECTED)}`);
  }
  bin('jest', '--ci');
});
