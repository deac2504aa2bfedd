import { accessSync, constants, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const LEAST_SECONDS = 6;
const MOST_SECONDS = 3_600;
const MOST_SLOW = 100;

export const HELP = `The demo: predictions through an outage

  npm run demo -- [options]

  --seconds N      length of the demo, ${LEAST_SECONDS} to ${MOST_SECONDS} (default 30); all phases take the same time
  --slow N         slow motion, for a busy machine: latencies, deadlines and pauses between calls are N times as long,
                   1 to ${MOST_SLOW} (default 1); the length of the demo stays the same
  --engine NAME    the engine that makes the circuits: native or opossum (default native)
  --host ADDRESS   the IP address that the servers listen on (default 127.0.0.1)
  --seed N         seed of the traffic: the times of the calls and their inputs (default 1)
  --keep           go on after the last phase until you press Ctrl-C; break the primary with the buttons of the page
  --port N         port of the page and of /metrics (default 0: any free port)
  --headless       serve neither page nor metrics; print one line per phase and transition, as if the output were no terminal
  --json FILE      also write the result to FILE as JSON, with times in milliseconds since the first call
  --help           print this help

The demo starts two mock inference servers, each in its own process on a free port. The primary has the large model. While a client
makes calls, the primary is healthy, slow (20x latency), failing (UNAVAILABLE), killed (SIGKILL), restarted cold and recovered. The
demo prints the address of a page that shows the circuit live and has buttons that break the primary. Prometheus can scrape /metrics
on the same port. NO_COLOR=1 turns off the colours in the terminal.

Ctrl-C stops the demo: it prints the result so far and exits with 130. A bad option gives exit code 2. The servers always end
together with the demo.
`;

export const ENGINES = ['native', 'opossum'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface DemoOptions {
  readonly seconds: number;
  /** Factor by which latencies, deadlines and pauses are longer. The phases are not. */
  readonly slow: number;
  readonly engine: EngineName;
  readonly host: string;
  readonly seed: number;
  readonly keep: boolean;
  /** The port of the page and of `/metrics`; 0: any free port. */
  readonly port: number;
  readonly headless: boolean;
  /** An absolute path. */
  readonly json: string | undefined;
}

/** A bad argument. The message is written for the user. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError naming the option */
export function parseOptions(args: readonly string[]): 'help' | DemoOptions {
  const values = parse(args);
  if (values.help) return 'help';
  return {
    seconds: integer('--seconds', values.seconds, LEAST_SECONDS, MOST_SECONDS),
    slow: integer('--slow', values.slow, 1, MOST_SLOW),
    engine: engineName(values.engine),
    host: ipAddress('--host', values.host),
    seed: integer('--seed', values.seed, 0, 1_000_000_000),
    keep: values.keep,
    port: integer('--port', values.port, 0, 65_535),
    headless: values.headless,
    json: values.json === undefined ? undefined : writable('--json', values.json),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        seconds: { type: 'string', default: '30' },
        slow: { type: 'string', default: '1' },
        engine: { type: 'string', default: 'native' },
        host: { type: 'string', default: '127.0.0.1' },
        seed: { type: 'string', default: '1' },
        keep: { type: 'boolean', default: false },
        port: { type: 'string', default: '0' },
        headless: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function integer(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(`${option}: expected an integer from ${min} to ${max}, got "${text}"`);
  return value;
}

function engineName(text: string): EngineName {
  const name = ENGINES.find((engine) => engine === text);
  if (name === undefined)
    throw new UsageError(`--engine: expected one of ${ENGINES.join(', ')}, got "${text}"`);
  return name;
}

function ipAddress(option: string, text: string): string {
  if (isIP(text) === 0) throw new UsageError(`${option}: expected an IP address, got "${text}"`);
  return text;
}

/** Checks the path at the start, so that a bad path does not cost a whole run. */
function writable(option: string, text: string): string {
  const path = resolve(text);
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (text === '' || found?.isDirectory()) throw new Error('a directory');
    // for a path below a file, newer versions of Node report "no entry"
    if (!found && !statSync(dirname(path)).isDirectory()) throw new Error('not in a directory');
    accessSync(found ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw new UsageError(
      `${option}: expected a file that can be written, in a directory that exists, got "${text}"`,
      { cause: error },
    );
  }
  return path;
}
