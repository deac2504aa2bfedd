import { credentials, InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import { perMethod, perModel } from 'failsoft';
import { GRPCInferenceServiceClient, ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { DEFAULT_KEY } from '../../src/key/key-by.js';
import { startInferServer } from '../fallback/infer-server.js';
import { closedAfterEach } from '../support/closers.js';
import { echoClient, startEchoServer } from '../support/echo-service.js';
import { createGuard, openFor, tripAfter } from '../support/guard.js';

const closers = closedAfterEach();
const MODELS = ['a', 'b', 'c', 'd', 'e'];
const SICK = 'c';

describe('the default key', () => {
  it.each([
    ['/inference.GRPCInferenceService/ModelInfer', { modelName: 'm' }, 'm'],
    ['/inference.GRPCInferenceService/ModelStreamInfer', { model_name: 'm' }, 'm'],
    ['/org.pytorch.serve.grpc.openinference.GRPCInferenceService/ModelInfer', { modelName: 'm' }, 'm'],
    ['/tensorflow.serving.PredictionService/Predict', { modelSpec: { name: 'm' } }, 'm'],
    ['/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions', { modelName: 'm' }, 'm'],
    ['/bentoml.grpc.v1.BentoService/Call', { apiName: 'm' }, 'm'],
    ['/inference.GRPCInferenceService/RepositoryIndex', {}, ''],
    ['/my.Service/Predict', { modelName: 'm', model_name: 'm', name: 'm' }, ''],
    ['/vllm.grpc.engine.VllmEngine/Generate', { modelName: 'm' }, ''],
  ])('of %s', (path, request, part) => {
    const key = DEFAULT_KEY.forMethod(path);
    expect(key.of(request, new Metadata())).toBe(part);
  });

  it("does not read the metadata of another service, as perModel() does for Ray Serve's", () => {
    const metadata = new Metadata();
    metadata.set('application', 'shop');
    expect(DEFAULT_KEY.forMethod('/my.Service/Predict').of({}, metadata)).toBe('');
    expect(perModel().forMethod('/my.Service/Predict').of({}, metadata)).toBe('shop');
  });
});

/** Five models on one server, of which one fails, called in turn. */
async function callFive(keyBy?: ReturnType<typeof perMethod>) {
  const sent = new Map<string, number>();
  const { port, stop } = await startInferServer(({ request: { modelName } }, done) => {
    sent.set(modelName, (sent.get(modelName) ?? 0) + 1);
    if (modelName === SICK) done({ code: status.INTERNAL, details: 'CUDA error' });
    else done(null, ModelInferResponse.fromPartial({ modelName }));
  });
  const guard = createGuard({
    circuit: { ...tripAfter(2), ...openFor(60_000) },
    ...(keyBy !== undefined && { keyBy }),
  });
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    interceptors: [guard.interceptor],
  });
  closers.push(
    () => client.close(),
    stop,
    () => guard.close(),
  );
  const failed = new Map<string, number>();
  for (let round = 0; round < 10; round++) {
    for (const modelName of MODELS) {
      const error = await new Promise((resolve) =>
        client.modelInfer(ModelInferRequest.fromPartial({ modelName }), resolve),
      );
      if (error !== null) failed.set(modelName, (failed.get(modelName) ?? 0) + 1);
    }
  }
  return { guard, sent, failed };
}

describe('one sick model of five', () => {
  it('costs its neighbours nothing, without a setting', async () => {
    const { guard, sent, failed } = await callFive();
    expect([...failed]).toEqual([[SICK, 10]]);
    expect(sent.get(SICK)).toBe(2);
    const keys = guard.snapshots().map(({ circuitKey }) => circuitKey.split('#')[1]);
    expect(keys.sort()).toEqual(MODELS);
  });

  it('shares a circuit with them by perMethod()', async () => {
    const { guard } = await callFive(perMethod());
    expect(guard.snapshots()).toHaveLength(1);
  });
});

describe('a call of a service whose requests name no model', () => {
  it('is made in the turn in which the caller made it, also a conversation', async () => {
    const server = await startEchoServer();
    const made: string[] = [];
    const watched: Interceptor = (options, next) => {
      made.push(options.method_definition.path);
      return new InterceptingCall(next(options));
    };
    const client = echoClient(server.address, {
      interceptors: [createGuard().interceptor, watched],
    });
    closers.push(
      () => client.close(),
      () => server.close(),
    );
    const call = client.bidi(new Metadata(), {});
    expect(made).toHaveLength(1);
    call.cancel();
    await new Promise((resolve) => call.on('error', resolve));
  });
});
