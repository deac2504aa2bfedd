import { parseArgs } from 'node:util';
import { invalid, isFailsoftError } from '../errors.js';
import { DEFAULT_LATENCY_MS, DEMAND_MODELS } from './demand/models.js';
import { type MockServerOptions, resolveServerOptions } from './server/options.js';
import { SERVER_PRESETS } from './server/presets.js';

export const HELP = `failsoft-mock-server: an inference server of the Open Inference Protocol with faults on demand

  failsoft-mock-server [options]

  --port N         port to listen on; 0 takes any free one (default 8001)
  --host HOST      host name or address to listen on (default 127.0.0.1)
  --models A,B     models to load (default ${DEMAND_MODELS.join(',')})
  --preset NAME    model server to imitate when a model is unknown, not ready or overloaded:
                   ${SERVER_PRESETS.join(', ')} (default triton)
  --latency-ms N   latency of a healthy model, in milliseconds
                   (default ${DEMAND_MODELS.map((model) => `${DEFAULT_LATENCY_MS[model]} for ${model}`).join(', ')})
  --seed N         seed of the random choices: the calls that fail, and the latencies (default 1)
  --json           when ready, print one line of JSON: {"address": "host:port", "models": [...]}
  --until-stdin-ends
                   stop when standard input ends, so that the server ends with the program that started it
  --help           print this

failsoft.mock.v1.FaultService sets faults while the server runs. With these faults, for example, a call in three fails:

  npx @bufbuild/buf curl --protocol grpc --http2-prior-knowledge \\
    -d '{"model": "demand-large", "faults": {"error": {"share": 0.33, "code": 14}}}' \\
    http://127.0.0.1:8001/failsoft.mock.v1.FaultService/SetFaults

The server also has grpc.health.v1 and gRPC reflection. SIGINT and SIGTERM stop it.
`;

export interface CliOptions {
  readonly server: MockServerOptions;
  readonly json: boolean;
  /** Whether the server ends with its parent process, even when that is killed: the pipe between them closes then. */
  readonly untilStdinEnds: boolean;
}

/** A bad argument. The message is written for the user. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @returns `help`, or the options of the server. @throws UsageError */
export function parseCli(args: readonly string[]): 'help' | CliOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        port: { type: 'string', default: '8001' },
        host: { type: 'string' },
        models: { type: 'string' },
        preset: { type: 'string' },
        'latency-ms': { type: 'string' },
        seed: { type: 'string' },
        json: { type: 'boolean', default: false },
        'until-stdin-ends': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const server: MockServerOptions = {
      port: integer('--port', values.port, 65_535),
      ...(values.host !== undefined && { host: values.host }),
      ...(values.models !== undefined && { models: values.models.split(',').map(modelName) }),
      ...(values.preset !== undefined && { preset: oneOf('--preset', values.preset, SERVER_PRESETS) }),
      ...(values['latency-ms'] !== undefined && { latencyMs: decimal('--latency-ms', values['latency-ms']) }),
      ...(values.seed !== undefined && { seed: integer('--seed', values.seed, 2 ** 32 - 1) }),
    };
    resolveServerOptions(server);
    return { server, json: values.json, untilStdinEnds: values['until-stdin-ends'] };
  } catch (error) {
    if (isFailsoftError(error) || (error instanceof Error && isParseArgsError(error)))
      throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

function integer(option: string, text: string, max: number): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > max)
    throw invalid(option, `an integer from 0 to ${max}`, text);
  return Number(text);
}

function decimal(option: string, text: string): number {
  if (!/^\d{1,7}(\.\d+)?$/.test(text)) throw invalid(option, 'a number of milliseconds from 0', text);
  return Number(text);
}

function modelName(text: string) {
  return oneOf('--models', text.trim(), DEMAND_MODELS);
}

function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === text);
  if (found === undefined) throw invalid(option, `one of ${allowed.join(', ')}`, text);
  return found;
}

function isParseArgsError(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_PARSE_ARGS_');
}
