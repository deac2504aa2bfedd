// Installs a packed tarball into an empty project, as a user would, and tries it: node .ci/try-package.mjs TARBALL GRPC_JS_VERSION
// Every export is imported and required; a small consumer is type-checked; the executable is started.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [tarball, grpcVersion] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const directory = mkdtempSync(join(tmpdir(), 'failsoft-consumer-'));

function run(command, ...args) {
  console.log(`$ ${command} ${args.join(' ')}`.slice(0, 160));
  return execFileSync(command, args, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function install(...packages) {
  run(
    'npm',
    'install',
    '--save-exact',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--silent',
    ...packages,
  );
}

function write(name, text) {
  writeFileSync(join(directory, name), text);
}

/** Imports and requires each subpath; both must give the same names. */
function tryExports(subpaths) {
  const names = subpaths.map((subpath) => join('failsoft', subpath));
  write(
    'try.mjs',
    `import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
for (const name of ${JSON.stringify(names)}) {
  const [imported, required] = [await import(name), require(name)];
  const values = (module) => Object.keys(module).filter((key) => !['default', '__esModule', 'module.exports'].includes(key)).sort();
  if (values(imported).length === 0) throw new Error(name + ' exports nothing');
  if (String(values(imported)) !== String(values(required))) throw new Error(name + ': import and require differ');
  console.log(name, values(imported).length, 'exports');
}
`,
  );
  write('try.cjs', `for (const name of ${JSON.stringify(names)}) require(name);\n`);
  console.log(run('node', 'try.mjs').trim());
  // From CommonJS in a process of its own, where nothing has been imported before.
  run('node', '--no-experimental-detect-module', 'try.cjs');
}

const CONSUMER = `import { Metadata, credentials } from '@grpc/grpc-js';
import { createGuard, FallbackRegistry, circuitRejectionOf, isFailsoftError } from 'failsoft';
import { GRPCInferenceServiceClient, ModelInferRequest } from 'failsoft/protos/oip';
import { startMockServer } from 'failsoft/testing';

const fallbacks = new FallbackRegistry();
const guard = createGuard({ fallbacks });
guard.on('transition', (event) => console.log(event));
const server = await startMockServer({ port: 0 });
const interceptors = [guard.interceptor];
const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), { interceptors });
const options = { failsoft: { fallback: false, key: 'mine' } };
client.modelInfer(ModelInferRequest.fromPartial({}), new Metadata(), options, (error) => {
  console.log(circuitRejectionOf(error), isFailsoftError(error));
});
client.modelInfer(ModelInferRequest.fromPartial({}), new Metadata(), { failsoft: { bypass: true } }, () => {});
// @ts-expect-error the call option is typed, and this is not its type
client.modelInfer(ModelInferRequest.fromPartial({}), new Metadata(), { failsoft: { bypass: 1 } }, () => {});
`;

function tryTypes() {
  write('consumer.ts', CONSUMER);
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ]) {
    const flags = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--target',
      'es2022',
      '--types',
      'node',
    ];
    const modules = ['--module', module, '--moduleResolution', moduleResolution];
    try {
      run('node_modules/.bin/tsc', ...flags, ...modules, 'consumer.ts');
    } catch (error) {
      throw new Error(`the consumer does not compile with ${moduleResolution}:\n${error.stdout}`);
    }
  }
}

async function tryExecutable() {
  const child = spawn('node_modules/.bin/failsoft-mock-server', ['--port', '0', '--json'], {
    cwd: directory,
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

const dev = (...names) => names.map((name) => `${name}@${manifest.devDependencies[name]}`);
try {
  write(
    'package.json',
    JSON.stringify({ name: 'consumer', version: '1.0.0', private: true, type: 'module' }),
  );
  install(resolve(tarball), `@grpc/grpc-js@${grpcVersion}`);
  const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');
  const peers = Object.keys(manifest.peerDependenciesMeta);
  // Without any optional peer: only an entry point that is made for one of them may ask for it.
  tryExports(subpaths.filter((subpath) => !/^\.\/(opossum|queue-.*)$/.test(subpath)));
  install(...dev(...peers, 'typescript', '@types/node'));
  tryExports(subpaths);
  tryTypes();
  await tryExecutable();
  // What npm chose for the later packages must not have replaced what this run is about.
  console.log(run('npm', 'ls', '@grpc/grpc-js', '--depth', '0').trim());
  if (grpcVersion !== 'latest') run(process.execPath, resolve('.ci/check-grpc-version.mjs'), grpcVersion);
} finally {
  rmSync(directory, { recursive: true });
}
