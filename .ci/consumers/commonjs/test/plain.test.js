// Jest as it is without Babel: CommonJS in a context that knows no import().
const { Metadata, credentials } = require('@grpc/grpc-js');
const { circuitRejectionOf, createGuard, perMethod } = require('failsoft');
const { GRPCInferenceServiceClient, GRPCInferenceServiceService } = require('failsoft/protos/oip');
const { DEMAND_FEATURES, demandLevel, demandRequest, startMockServer } = require('failsoft/testing');

test('a guarded call against the mock server, and a rejected one', async () => {
  const server = await startMockServer({ latencyMs: 0 });
  const guard = createGuard({ keyBy: perMethod() });
  const interceptors = [guard.interceptor];
  const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), {
    interceptors,
  });
  const request = demandRequest(
    'demand-small',
    DEMAND_FEATURES.map(() => 0),
  );
  const infer = () =>
    new Promise((resolve) => {
      client.modelInfer(request, new Metadata(), (error, response) => resolve({ error, response }));
    });
  expect(demandLevel((await infer()).response)).toBe(2);
  guard.circuit(GRPCInferenceServiceService.modelInfer).isolate();
  expect(circuitRejectionOf((await infer()).error)).toMatchObject({ reason: 'ISOLATED' });
  client.close();
  guard.close();
  await server.close();
});
