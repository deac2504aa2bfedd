// Installs a packed tarball into an ES module project, as a user would: node .ci/try-package.mjs TARBALL GRPC_JS_VERSION
// Every entry point is imported and required; both formats work together in one process; a small consumer is type-checked; the
// executable is started.
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { asDeveloped, manifest, specifiers, withProject } from './consumers/project.mjs';

const [tarball, grpcVersion] = process.argv.slice(2);

await withProject('esm', async ({ directory, run, install, bin }) => {
  const tryExports = (names) => {
    console.log(run('node', 'exports.mjs', ...names).trim());
    run('node', '--no-experimental-require-module', 'exports.cjs', ...names);
  };
  install(resolve(tarball), `@grpc/grpc-js@${grpcVersion}`);
  // Without any optional peer: only an entry point that is made for one of them may need it.
  const needsPeer = /^failsoft\/(opossum|queue-.*|prometheus|opentelemetry|nice-grpc|connect)$/;
  tryExports(specifiers.filter((name) => !needsPeer.test(name)));
  // nice-grpc brings a newer grpc-js of its own than the lowest.
  const isHere = (name) => grpcVersion === 'latest' || !name.endsWith('nice-grpc');
  const peers = Object.keys(manifest.peerDependenciesMeta).filter(isHere);
  install(...asDeveloped(...peers, 'typescript', '@types/node'));
  tryExports(specifiers.filter(isHere));
  console.log(run('node', 'both-formats.mjs').trim());
  for (const resolution of [
    ['--module', 'nodenext', '--moduleResolution', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', '--types', 'node'];
    bin('tsc', '--noEmit', ...strict, ...resolution, 'consumer.ts');
  }
  await tryExecutable(directory);
  // What npm chose for the later packages must not have replaced what this run is about.
  console.log(run('npm', 'ls', '@grpc/grpc-js', '--depth', '0').trim());
  if (grpcVersion !== 'latest') run(process.execPath, resolve('.ci/check-grpc-version.mjs'), grpcVersion);
});

async function tryExecutable(cwd) {
  const child = spawn(join(cwd, 'node_modules/.bin/failsoft-mock-server'), ['--port', '0', '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((done) => child.once('exit', (code) => done(code)));
  const line = await Promise.race([
    new Promise((done) => child.stdout.once('data', (chunk) => done(String(chunk)))),
    exited.then((code) => Promise.reject(new Error(`failsoft-mock-server ended with ${code}`))),
  ]);
  const { address, models } = JSON.parse(line);
  console.log(`failsoft-mock-server: ${address}, ${models.join(', ')}`);
  child.kill('SIGTERM');
  const code = await exited;
  if (code !== 0) throw new Error(`failsoft-mock-server ended with ${code} on SIGTERM`);
}
