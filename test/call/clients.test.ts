import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { credentials, type Interceptor, makeClientConstructor } from '@grpc/grpc-js';
import { type AnyDefinition, loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { circuitRejectionOf, perModel } from 'failsoft';
import { demandRequest, startMockServer } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
} from '../../src/gen/inference/grpc_service.js';
import { closedAfterEach } from '../support/closers.js';
import { createGuard } from '../support/guard.js';

const closers = closedAfterEach();
const protos = fileURLToPath(new URL('../../protos', import.meta.url));
const buf = fileURLToPath(new URL('../../node_modules/.bin/buf', import.meta.url));
const FEATURES = Array.from({ length: 16 }, (_, index) => index / 16);

/** What the tests do with a client, whatever its messages look like. */
interface Calls {
  /** Gives the level that the model predicts. */
  infer(model: string): Promise<string>;
  ready(model: string): Promise<boolean>;
  /** Asks over a stream, and gives how many answers came. */
  stream(model: string): Promise<number>;
}

type MakeCalls = (address: string, interceptors: Interceptor[]) => Calls;

type Callback<T> = (error: Error | null, value?: T) => void;

function promised<T>(call: (callback: Callback<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(error);
      else if (value === undefined) reject(new Error('neither error nor value'));
      else resolve(value);
    });
  });
}

const generated: MakeCalls = (address, interceptors) => {
  const client = new GRPCInferenceServiceClient(address, credentials.createInsecure(), { interceptors });
  closers.push(() => client.close());
  return {
    infer: async (model) => {
      const request = demandRequest(model, FEATURES);
      const { outputs } = await promised((callback: Callback<Output>) =>
        client.modelInfer(request, callback),
      );
      return String(outputs[0]?.contents?.int64Contents?.[0]);
    },
    ready: async (name) => {
      const request = { name, version: '' };
      const answer = await promised((callback: Callback<{ ready: boolean }>) =>
        client.modelReady(request, callback),
      );
      return answer.ready;
    },
    stream: (model) => {
      const call = client.modelStreamInfer();
      call.write(demandRequest(model, FEATURES));
      call.end();
      return counted(call);
    },
  };
};

interface Output {
  readonly outputs: readonly {
    readonly contents?:
      | {
          readonly int64Contents?: readonly unknown[];
          readonly int64_contents?: readonly unknown[];
        }
      | undefined;
  }[];
}

function counted(call: NodeJS.ReadableStream): Promise<number> {
  return new Promise((resolve, reject) => {
    let count = 0;
    call.on('data', () => count++);
    call.on('error', reject);
    call.on('end', () => resolve(count));
  });
}

const isService = (definition: AnyDefinition): definition is ServiceDefinition => !('format' in definition);

const dynamic =
  (keepCase: boolean): MakeCalls =>
  (address, interceptors) => {
    const loaded = loadSync('inference/grpc_service.proto', {
      includeDirs: [protos],
      longs: String,
      keepCase,
    });
    const service = loaded['inference.GRPCInferenceService'];
    if (service === undefined || !isService(service)) throw new Error('no GRPCInferenceService');
    const Client = makeClientConstructor(service, 'GRPCInferenceService');
    const client = new Client(address, credentials.createInsecure(), { interceptors });
    closers.push(() => client.close());
    const shape = [1, FEATURES.length];
    const request = (model: string) =>
      keepCase
        ? {
            model_name: model,
            inputs: [{ name: 'features', datatype: 'FP32', shape, contents: { fp32_contents: FEATURES } }],
          }
        : {
            modelName: model,
            inputs: [{ name: 'features', datatype: 'FP32', shape, contents: { fp32Contents: FEATURES } }],
          };
    return {
      infer: async (model) => {
        const { outputs } = await promised((callback: Callback<Output>) =>
          client.modelInfer?.(request(model), callback),
        );
        const contents = outputs[0]?.contents;
        return String((contents?.int64Contents ?? contents?.int64_contents)?.[0]);
      },
      ready: async (name) => {
        const answer = await promised((callback: Callback<{ ready: boolean }>) =>
          client.modelReady?.({ name }, callback),
        );
        return answer.ready;
      },
      stream: (model) => {
        const call = client.modelStreamInfer?.();
        call.write(request(model));
        call.end();
        return counted(call);
      },
    };
  };

const CLIENTS: readonly (readonly [string, MakeCalls])[] = [
  ['a generated client (ts-proto)', generated],
  ['a dynamic client (proto-loader)', dynamic(false)],
  ['a dynamic client that keeps the case of the proto file', dynamic(true)],
];

describe.each(CLIENTS)('%s', (_name, make) => {
  it('has a circuit per model, by the same keys as every other client', async () => {
    const server = await startMockServer({ latencyMs: 0 });
    closers.push(() => server.close());
    const guard = createGuard({ keyBy: perModel() });
    closers.push(() => guard.close());
    const calls = make(server.address, [guard.interceptor]);

    expect(await calls.infer('demand-large')).toMatch(/^\d$/);
    expect(await calls.infer('demand-small')).toMatch(/^\d$/);
    expect(await calls.ready('demand-large')).toBe(true); // not guarded: a question about health
    expect(await calls.stream('demand-small')).toBe(1);
    const service = '/inference.GRPCInferenceService';
    expect(guard.snapshots().map(({ circuitKey: key, totals }) => [key, totals.outcomes.success])).toEqual([
      [`${service}/ModelInfer#demand-large`, 1],
      [`${service}/ModelInfer#demand-small`, 1],
      [`${service}/ModelStreamInfer#demand-small`, 1],
    ]);

    using _held = guard.circuit(GRPCInferenceServiceService.modelInfer, 'demand-large').isolate();
    const failed = await calls.infer('demand-large').catch((error: unknown) => error);
    expect(circuitRejectionOf(failed)?.reason).toBe('ISOLATED');
    expect(await calls.infer('demand-small')).toMatch(/^\d$/);
  });
});

describe('buf curl', () => {
  it('asks the same server the same question, and gets the answer that the guarded clients get', async () => {
    const server = await startMockServer({ latencyMs: 0 });
    closers.push(() => server.close());
    const guard = createGuard({ keyBy: perModel() });
    closers.push(() => guard.close());
    const answers = await Promise.all(
      CLIENTS.map(([, make]) => make(server.address, [guard.interceptor]).infer('demand-large')),
    );
    const data = JSON.stringify({
      modelName: 'demand-large',
      inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 16], contents: { fp32Contents: FEATURES } }],
    });
    const { stdout } = await promisify(execFile)(
      buf,
      [
        ...['curl', '--protocol', 'grpc', '--http2-prior-knowledge', '--schema', protos, '-d', data],
        `http://${server.address}/inference.GRPCInferenceService/ModelInfer`,
      ],
      { timeout: 50_000 },
    );
    expect(answers).toEqual(CLIENTS.map(() => JSON.parse(stdout).outputs[0].contents.int64Contents[0]));
  });
});
