import { credentials, Metadata, status } from '@grpc/grpc-js';
import { callUnary, circuitRejectionOf, defaultPrediction, FallbackRegistry } from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { demandRequest, labelledInputs, majorityAnswer, startMockServer } from 'failsoft/testing';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { createGuard } from '../support/guard.js';

const closers = closedAfterEach();
const { modelInfer } = GRPCInferenceServiceService;
const request = demandRequest('demand-large', labelledInputs(1).next().value.features);

async function setUp(withFallback: boolean) {
  const server = await startMockServer({ models: ['demand-large'] });
  const fallbacks = new FallbackRegistry();
  if (withFallback) fallbacks.register(modelInfer, [defaultPrediction(majorityAnswer)]);
  const guard = createGuard({ fallbacks });
  const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), {
    interceptors: [guard.interceptor],
  });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, guard, client };
}

describe('callUnary', () => {
  it("gives the model's answer as the primary's, typed by the client", async () => {
    const { client } = await setUp(true);
    const answer = await callUnary(client, 'modelInfer', request);
    expect(answer).toMatchObject({ source: 'primary', degraded: false, cause: undefined });
    expect(answer.response.modelName).toBe('demand-large');
    expectTypeOf(answer.response.modelName).toEqualTypeOf<string>();
    // @ts-expect-error no request of this method
    const ofAnotherMethod = () => callUnary(client, 'modelReady', { modelName: 'demand-large' });
    expect(ofAnotherMethod).toBeTypeOf('function');
  });

  it("gives a fallback's answer with its source and cause", async () => {
    const { client, guard } = await setUp(true);
    guard.circuit(modelInfer, request.modelName).isolate();
    const answer = await callUnary(client, 'modelInfer', request);
    expect(answer).toMatchObject({ source: 'default', degraded: true, cause: 'ISOLATED' });
    expect(answer.response).toEqual(expect.objectContaining({ outputs: expect.anything() }));
  });

  it("rejects with the client's error", async () => {
    const { client, guard } = await setUp(false);
    guard.circuit(modelInfer, request.modelName).isolate();
    const error: unknown = await callUnary(client, 'modelInfer', request).catch((thrown: unknown) => thrown);
    expect(circuitRejectionOf(error)?.reason).toBe('ISOLATED');
  });

  it('passes metadata and call options on', async () => {
    const { client, server } = await setUp(false);
    const metadata = new Metadata();
    metadata.set('x-tenant', 'alice');
    server.faults.set('demand-large', { hangShare: 1 });
    const options = { metadata, deadline: Date.now() + 20 };
    await expect(callUnary(client, 'modelInfer', request, options)).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
  });

  it.each(['before', 'during'])('is cancelled by a signal that aborts %s the call', async (when) => {
    const { client, server } = await setUp(false);
    server.faults.set('demand-large', { hangShare: 1 });
    const controller = new AbortController();
    if (when === 'before') controller.abort();
    const call = callUnary(client, 'modelInfer', request, { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
  });

  it.each([
    [{ fallback: false }, 'did you mean failsoft: { fallback: false }?'],
    [{ bypass: true }, 'did you mean failsoft: { bypass: true }?'],
    [{ mode: 'off' }, "did you mean failsoft: { mode: 'off' }?"],
  ])('rejects %j, which belongs under failsoft', async (options, hint) => {
    const client = new GRPCInferenceServiceClient('127.0.0.1:1', credentials.createInsecure());
    const [name] = Object.keys(options);
    const call = callUnary(client, 'modelInfer', demandRequest('demand-large', []), options as object);
    await expect(call).rejects.toThrow(
      `callUnary(options).${name}: expected one of the options ` +
        'deadline, host, parent, credentials, interceptors, metadata, signal, failsoft',
    );
    await expect(call).rejects.toThrow(hint);
    client.close();
  });

  it('rejects a name that is not a unary method', async () => {
    const { client } = await setUp(false);
    // @ts-expect-error a stream
    await expect(callUnary(client, 'modelStreamInfer', request)).rejects.toThrow(
      'callUnary(method): expected the name of a unary method, got "modelStreamInfer"',
    );
    // @ts-expect-error no method
    await expect(callUnary(client, 'modelInfers', request)).rejects.toThrow(
      'callUnary(method): expected the name of a method of a grpc-js client, got "modelInfers"',
    );
  });
});
