import { parseArgs } from 'node:util';

/** What runs at the same time. */
export const PARTS = ['kinds', 'models', 'odd', 'level', 'bull'] as const;
export type Part = (typeof PARTS)[number];

export const USAGE = `Usage: npm run soak -- [options]

All faults at once, against real servers on loopback: servers that are killed, and servers that answer oddly; floods of fresh
model names; callers that cancel or walk away; a wall clock that jumps; a LevelDB queue whose disk gets full; a BullMQ queue
whose Redis is stopped. Then checks that no acknowledged job is lost, no caller got the answer of another key, each call got
one status, no permit and no timer is left, nothing was thrown at the process, and the heap is flat.

  --seconds N  how long, 1 to 86400 (default 30)
  --seed N     of the traffic and the faults, 0 to 4294967295 (default 1)
  --json FILE  where to write the figures as JSON as well
  --only PART  one part alone, to look for the cause of a failure: ${PARTS.join(', ')}
  --help       this text

Exit code 0 when all of it holds, 1 when something does not, 2 for a bad option.`;

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** @default nowhere */
  readonly json: string | undefined;
  /** @default all parts */
  readonly only: Part | undefined;
  readonly help: boolean;
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new Error(`--${name}: expected a whole number from ${min} to ${max}, got "${text}"`);
  return value;
}

/** @throws Error that names the option and what was expected of it */
export function readOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      json: { type: 'string' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.json === '') throw new Error('--json: expected the path of a file, got ""');
  const only = PARTS.find((part) => part === values.only);
  if (values.only !== undefined && only === undefined)
    throw new Error(`--only: expected one of ${PARTS.join(', ')}, got "${values.only}"`);
  return {
    seconds: wholeNumber('seconds', values.seconds, 1, 86_400),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    json: values.json,
    only,
    help: values.help,
  };
}
