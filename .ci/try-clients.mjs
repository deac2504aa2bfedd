// Installs a packed tarball beside client libraries that are too large for the lock: node .ci/try-clients.mjs TARBALL
// Each library's real client calls a real server through the guard, as test/clients does with the smaller ones. docs/clients.md has the
// versions that .ci/consumers/clients/package.json names.
import { resolve } from 'node:path';
import { asDeveloped, withProject } from './consumers/project.mjs';

const [tarball] = process.argv.slice(2);

await withProject('clients', async ({ run, install }) => {
  // the mock server's peers, and what loads the control plane's protos
  install(resolve(tarball), ...asDeveloped('grpc-health-check', '@grpc/reflection', '@grpc/proto-loader'));
  console.log(run('node', 'main.mjs').trim());
  console.log(run('node', 'xds/main.mjs').trim());
});
