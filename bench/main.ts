import { fork } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measure } from './lib/measure.js';
import { header, reportLine } from './lib/report.js';
import type { Result, Row } from './lib/row.js';

const HELP = `npm run bench -- [options]

Measures the compiled code, as users run it. Each row runs in its own process.

  --only TEXT    run only the rows whose name contains TEXT; several texts are separated by commas
  --rounds N     rounds per row; the table shows the median (default 11)
  --json FILE    also write {node, peers: {opossum, cockatiel}, results: [{name, unit, ours, floor?, ofFloor?, peers: {opossum, cockatiel}}]}
  --help         print this text

The columns: "ours" is failsoft; "floor" is the cost of the same work without failsoft, or of the least code for the same purpose. The
columns opossum and cockatiel are the peers, measured in the same run; each round measures all in a random order. docs/performance.md
explains the rows.

A "!" after our figure means that it is over the row's budget. A "!" after a peer's figure means that the peer is closer to ours than
the row claims. To compare with newer peers, on a Node that they support: npm install --no-save opossum@10 cockatiel@4
`;

interface Options {
  readonly only: string;
  readonly rounds: number;
  readonly json: string | undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '11' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1000) {
    throw new RangeError(
      `--rounds: expected an integer from 1 to 1000, got ${JSON.stringify(values.rounds)}`,
    );
  }
  return { only: values.only, rounds, json: values.json };
}

/** All rows of all files in `rows/`, files in alphabetical order. */
async function loadRows(): Promise<Row[]> {
  const folder = new URL('./rows/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith('.js'));
  const rows: Row[] = [];
  for (const file of files.sort()) {
    const module: { rows: readonly Row[] } = await import(new URL(file, folder).href);
    rows.push(...module.rows);
  }
  return rows;
}

/** The version of an installed package. */
function versionOf(name: string): string {
  const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(manifest, 'utf8'));
  return version;
}

/** The task of a child process. */
const ROW_OF_CHILD = 'FAILSOFT_BENCH_ROW';

async function run({ only, rounds, json }: Options): Promise<void> {
  const wanted = only.split(',');
  const rows = (await loadRows()).filter(({ name }) => wanted.some((text) => name.includes(text)));
  if (rows.length === 0) throw new RangeError(`--only: no row's name contains ${JSON.stringify(only)}`);
  const results: Result[] = [];
  const peers = { opossum: versionOf('opossum'), cockatiel: versionOf('cockatiel') };
  console.log(`Node ${process.version}, opossum ${peers.opossum}, cockatiel ${peers.cockatiel}\n`);
  console.log(header());
  for (const row of rows) {
    const result = await measureApart(row, rounds);
    results.push(result);
    console.log(reportLine(row, result));
  }
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ node: process.version, peers, results }, null, 2)}\n`);
  }
}

/**
 * Runs each row in a process of its own, so that earlier rows influence neither the compiler nor the garbage collector. Memory
 * is measured after a collection, which a script can start only under a flag.
 */
function measureApart(row: Row, rounds: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--rounds', String(rounds)], {
      execArgv: [...process.execArgv, '--expose-gc', '--max-semi-space-size=64'],
      env: { ...process.env, [ROW_OF_CHILD]: row.name },
    });
    child.on('message', (result: Result) => resolve(result));
    child.on('error', reject);
    child.on('exit', (code) =>
      reject(new Error(`${row.name}: its process ended without a result (${code})`)),
    );
  });
}

async function runAsChild(name: string, { rounds }: Options): Promise<void> {
  const row = (await loadRows()).find((candidate) => candidate.name === name);
  if (row === undefined) throw new RangeError(`${ROW_OF_CHILD}: expected the name of a row, got ${name}`);
  const result = await measure(row, rounds);
  await new Promise((resolve) => process.send?.(result, resolve));
}

try {
  const options = readOptions();
  const name = process.env[ROW_OF_CHILD];
  if (name !== undefined && process.send !== undefined) await runAsChild(name, options);
  else await run(options);
  // opossum's timers of a finished row must not keep the process alive
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}
