import { credentials, Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import { callUnary, consecutiveFailures, createGuard, modelReady } from 'failsoft';
import {
  ModelServiceService,
  ModelVersionStatus_State,
  PredictionServiceClient,
  PredictionServiceService,
  PredictRequest,
  PredictResponse,
} from 'failsoft/protos/tfserving';
import {
  InferenceAPIsServiceClient,
  InferenceAPIsServiceService,
  PredictionResponse,
  PredictionsRequest,
} from 'failsoft/protos/torchserve';
import { describe, expect, it, onTestFinished } from 'vitest';

type Service = Parameters<Server['addService']>;

/** What the server's model does, and how often its readiness was asked. */
interface Model {
  isReady: boolean;
  asked: string[];
}

async function serve(...services: Service[]): Promise<string> {
  const server = new Server();
  for (const [definition, handlers] of services) server.addService(definition, handlers);
  onTestFinished(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return `127.0.0.1:${port}`;
}

/** A server of TensorFlow Serving's definitions, and a client of the same. */
async function tfServing(model: Model) {
  const address = await serve(
    [
      PredictionServiceService,
      {
        predict: (_call: unknown, done: sendUnaryData<PredictResponse>) =>
          model.isReady
            ? done(null, PredictResponse.fromPartial({}))
            : done({ code: status.UNAVAILABLE, details: 'loading' }),
      },
    ],
    [
      ModelServiceService,
      {
        getModelStatus: (
          call: { request: { modelSpec?: { name: string } } },
          done: sendUnaryData<unknown>,
        ) => {
          model.asked.push(call.request.modelSpec?.name ?? '');
          const { AVAILABLE, LOADING } = ModelVersionStatus_State;
          const state = model.isReady ? AVAILABLE : LOADING;
          done(null, { modelVersionStatus: [{ version: 1n, state, status: undefined }] });
        },
      },
    ],
  );
  const request = PredictRequest.fromPartial({ modelSpec: { name: 'demand' } });
  const client = (options: object) =>
    new PredictionServiceClient(address, credentials.createInsecure(), options);
  const ask = (guarded: PredictionServiceClient) => callUnary(guarded, 'predict', request);
  return { client, ask };
}

/** The same of TorchServe's. */
async function torchServe(model: Model) {
  const address = await serve([
    InferenceAPIsServiceService,
    {
      predictions: (_call: unknown, done: sendUnaryData<PredictionResponse>) =>
        model.isReady
          ? done(null, PredictionResponse.fromPartial({ prediction: Buffer.of(1) }))
          : done({ code: status.UNAVAILABLE, details: 'no worker' }),
      ping: (_call: unknown, done: sendUnaryData<unknown>) => {
        model.asked.push('ping');
        done(null, { health: JSON.stringify({ status: model.isReady ? 'Healthy' : 'Unhealthy' }) });
      },
    },
  ]);
  const request = PredictionsRequest.fromPartial({ modelName: 'demand' });
  const client = (options: object) =>
    new InferenceAPIsServiceClient(address, credentials.createInsecure(), options);
  const ask = (guarded: InferenceAPIsServiceClient) => callUnary(guarded, 'predictions', request);
  return { client, ask };
}

describe('modelReady(), with the servers whose definitions failsoft has', () => {
  /** An open circuit is held while the server says no, and is back when it says yes: its open time is ten minutes. */
  async function comesBack<Client extends { close(): void }>(
    model: Model,
    { client, ask }: { client(options: object): Client; ask(client: Client): Promise<{ source: string }> },
    check: (plain: Client) => ReturnType<typeof modelReady>,
  ): Promise<void> {
    const plain = client({});
    const guard = createGuard({
      circuit: {
        trip: [consecutiveFailures({ failures: 2 })],
        open: { baseMs: 600_000, jitter: 'none' },
        recovering: false,
      },
      recovery: { check: check(plain), intervalMs: 10 },
    });
    const guarded = client({ interceptors: [guard.interceptor] });
    onTestFinished(async () => {
      guarded.close();
      plain.close();
      await guard.close();
    });
    const said = (outcome: string) =>
      new Promise<void>((resolve) => {
        guard.on('probe', (event) => {
          if (event.outcome === outcome) resolve();
        });
      });
    const [no, yes] = [said('failure'), said('success')];
    for (let n = 0; n < 2; n++) await expect(ask(guarded)).rejects.toMatchObject({ code: 14 });
    await no;
    await expect(ask(guarded)).rejects.toThrow(/circuit open/);
    model.isReady = true;
    await yes;
    expect((await ask(guarded)).source).toBe('primary');
    expect(guard.snapshots().map(({ state }) => state)).toEqual(['closed']);
  }

  it('asks TensorFlow Serving by GetModelStatus, with the client of its predictions', async () => {
    const model: Model = { isReady: false, asked: [] };
    await comesBack(model, await tfServing(model), (plain) => modelReady(plain));
    expect(new Set(model.asked)).toEqual(new Set(['demand']));
  });

  it('asks TorchServe by Ping', async () => {
    const model: Model = { isReady: false, asked: [] };
    await comesBack(model, await torchServe(model), (plain) => modelReady(plain));
    expect(model.asked).toContain('ping');
  });
});
