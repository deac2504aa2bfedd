// A project of a user in an empty folder, for the gate: files of .ci/consumers, packages from the registry, commands.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
/** failsoft's own package.json. */
export const manifest = JSON.parse(readFileSync(join(here, '../../package.json'), 'utf8'));
/** What a user imports: `failsoft`, `failsoft/opossum`, ...; not the files of protos/. */
export const specifiers = Object.keys(manifest.exports)
  .filter((subpath) => subpath !== './package.json' && !subpath.endsWith('.proto'))
  .map((subpath) => join('failsoft', subpath));
/** Packages in the versions that failsoft is developed with. */
export const asDeveloped = (...names) => names.map((name) => `${name}@${manifest.devDependencies[name]}`);

/** Calls `use` with a project that holds the files of a folder of .ci/consumers, and removes it afterwards. */
export async function withProject(folder, use) {
  const directory = mkdtempSync(join(tmpdir(), `failsoft-${folder}-`));
  try {
    cpSync(join(here, folder), directory, { recursive: true });
    const run = (command, ...args) => runIn(directory, command, ...args);
    const install = (...packages) => {
      const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent'];
      run('npm', 'install', '--save-exact', ...quiet, ...packages);
    };
    await use({ directory, run, install, bin: (name, ...args) => run(`node_modules/.bin/${name}`, ...args) });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function runIn(cwd, command, ...args) {
  console.log(`$ ${command} ${args.join(' ')}`.slice(0, 160));
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    // The compiler and Jest write what is wrong to standard output.
    throw new Error(`${command} ${args.join(' ')} failed:\n${error.stdout}`, { cause: error });
  }
}
