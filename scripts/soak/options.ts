import { parseArgs } from 'node:util';

export const USAGE = `Usage: npm run soak -- [options]

Mixed traffic of all four kinds of call through one guard, with faults, cancels, deadlines, fallbacks, and a server that
is killed and restarted; then checks that nothing is left behind.

  --seconds N  how long, 1 to 86400 (default 30)
  --seed N     of the traffic and the faults, 0 to 4294967295 (default 1)
  --help       this text

Exit code 0 when nothing is left behind, 1 when something is, 2 for a bad option.`;

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
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
      help: { type: 'boolean', default: false },
    },
  });
  return {
    seconds: wholeNumber('seconds', values.seconds, 1, 86_400),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    help: values.help,
  };
}
