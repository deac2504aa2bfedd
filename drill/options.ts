import { parseArgs } from 'node:util';
import { CONTESTANTS } from './contestants/index.js';
import { SCENARIOS } from './scenarios/index.js';

const HELP = `npm run drill -- [options]

Runs outages of model servers over real gRPC, with failsoft and with other libraries (the contestants) side by side. Each server and
each client is a process. A cell is one contestant in one scenario with one seed.

  --only NAMES        run only these scenarios, separated by commas: ${list(SCENARIOS)}
  --contestant NAMES  run only these contestants: ${list(CONTESTANTS)}
  --seeds N           seeds per scenario and contestant; the table shows the median (default 5, with --quick 1)
  --quick             one seed and shorter phases
  --smoke             about a minute: two scenarios and three contestants; fails if their most robust figures are not as expected
  --parallel N        cells that run at the same time (default 8: all contestants of a seed; some scenarios allow fewer)
  --attempts N        most runs of cells that a busy machine disturbs; the least disturbed run counts (default 2, with --quick 1)
  --json FILE         also write the figures to FILE as JSON
  --report DIR        also write drills.md and its charts into DIR
  --from FILE         run nothing; read the figures that an earlier run wrote with --json, for --report
  --help              print this text
`;

/** The options of the command line. */
export interface DrillOptions {
  readonly only: readonly string[];
  readonly contestants: readonly string[];
  readonly seeds: number;
  readonly quick: boolean;
  readonly smoke: boolean;
  readonly parallel: number;
  readonly attempts: number;
  readonly json: string | undefined;
  readonly report: string | undefined;
  readonly from: string | undefined;
}

/**
 * @returns undefined for `--help`, which it prints
 * @throws RangeError naming the option
 */
export function readOptions(args: readonly string[]): DrillOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      contestant: { type: 'string' },
      seeds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      parallel: { type: 'string', default: '8' },
      attempts: { type: 'string' },
      json: { type: 'string' },
      report: { type: 'string' },
      from: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return undefined;
  }
  const quick = values.quick || values.smoke;
  return {
    only: chosen('--only', values.only, SCENARIOS),
    contestants: chosen('--contestant', values.contestant, CONTESTANTS),
    seeds: integer('--seeds', values.seeds ?? (quick ? '1' : '5'), 100),
    quick,
    smoke: values.smoke,
    parallel: integer('--parallel', values.parallel, 16),
    attempts: integer('--attempts', values.attempts ?? (quick ? '1' : '2'), 10),
    json: values.json,
    report: values.report,
    from: values.from,
  };
}

function chosen(
  option: string,
  value: string | undefined,
  all: readonly { readonly name: string }[],
): readonly string[] {
  const names = all.map(({ name }) => name);
  if (value === undefined) return names;
  const wanted = value.split(',');
  for (const name of wanted)
    if (!names.includes(name))
      throw new RangeError(`${option}: expected some of ${list(all)}, got ${JSON.stringify(name)}`);
  return names.filter((name) => wanted.includes(name));
}

function integer(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new RangeError(`${option}: expected an integer from 1 to ${max}, got ${JSON.stringify(text)}`);
  return value;
}

function list(things: readonly { readonly name: string }[]): string {
  return things.map(({ name }) => name).join(', ');
}
