// Loads the ES module and the CommonJS build in one process, as a CommonJS program with one ES module dependency does, and
// uses what the one has made with the other.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { credentials, Metadata } from '@grpc/grpc-js';
import * as esm from 'failsoft';
import * as esmOpossum from 'failsoft/opossum';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import * as esmProtos from 'failsoft/protos/tfserving';
import * as esmTesting from 'failsoft/testing';

const require = createRequire(import.meta.url);
const cjs = require('failsoft');
const cjsOpossum = require('failsoft/opossum');
const cjsTesting = require('failsoft/testing');
assert.notEqual(esm.createGuard, cjs.createGuard, 'these are two builds');

// A message of one generated file in a message of another.
for (const { PredictRequest } of [esmProtos, require('failsoft/protos/tfserving')]) {
  const request = PredictRequest.fromPartial({ modelSpec: { name: 'm', version: 3n } });
  const { modelSpec } = PredictRequest.decode(PredictRequest.encode(request).finish());
  assert.equal(modelSpec.version, 3n);
}

const { modelInfer } = GRPCInferenceServiceService;
const closers = [];

/** A call; how it ended, and the metadata that came with its answer. */
function infer(client, options = {}) {
  return new Promise((resolve) => {
    let metadata = new Metadata();
    const request = esmTesting.demandRequest(
      'demand-small',
      esmTesting.DEMAND_FEATURES.map(() => 0),
    );
    client
      .modelInfer(request, new Metadata(), { deadline: Date.now() + 30_000, ...options }, (error, response) =>
        resolve({ error, response, metadata }),
      )
      .on('metadata', (received) => {
        metadata = received;
      });
  });
}

/** A client of a mock server of `testing`, behind the guards. */
async function clientOf(testing, ...guards) {
  const server = await testing.startMockServer({ latencyMs: 0 });
  const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), {
    interceptors: guards.map((guard) => guard.interceptor),
  });
  closers.push(
    () => server.close(),
    ...guards.map((guard) => () => guard.close()),
    () => client.close(),
  );
  return { client, server };
}

for (const [mine, other, otherOpossum, otherTesting] of [
  [esm, cjs, cjsOpossum, cjsTesting],
  [cjs, esm, esmOpossum, esmTesting],
]) {
  // Errors are known by a brand, not by their class.
  assert.throws(
    () => other.createGuard({ circuit: { trip: 5 } }),
    (error) => mine.isFailsoftError(error) && error.code === 'FAILSOFT_INVALID_ARGUMENT',
  );

  // A guard of the one with the rules, the clock, the engine and the fallbacks of the other.
  for (const engine of [other.nativeEngine, otherOpossum.opossumEngine()]) {
    const kept = new other.FallbackRegistry().register(modelInfer, [
      other.lastGood(),
      other.defaultPrediction((request) => otherTesting.majorityAnswer(request)),
    ]);
    const trip = [other.failureRate({ threshold: 0.5, minimumCalls: 2 })];
    const guard = mine.createGuard({ engine, clock: other.systemClock, fallbacks: kept, circuit: { trip } });
    const { client, server } = await clientOf(otherTesting, guard);
    const sources = [];
    const ask = async () => sources.push(mine.provenanceOf((await infer(client)).metadata).source);
    await ask();
    server.faults.set('demand-small', { error: { code: 14 } });
    for (let call = 0; call < 4; call++) await ask();
    assert.deepEqual(sources, ['primary', 'last-good', 'last-good', 'last-good', 'last-good']);
    const [snapshot] = guard.snapshots();
    assert.deepEqual([snapshot.state, snapshot.totals.admitted], ['open', 2]);
  }

  // A rejection of the one is read by the other, and so is a label.
  const guard = mine.createGuard({ keyBy: other.perMethod(), fallbacks: new other.FallbackRegistry() });
  const { client } = await clientOf(otherTesting, guard);
  guard.circuit(modelInfer).isolate();
  assert.equal(other.circuitRejectionOf((await infer(client)).error).reason, 'ISOLATED');

  // Where an answer came from is remembered for both, and so are the credentials of whom it was kept for.
  const entries = new Map();
  const store = {
    get: async (key) => entries.get(key),
    set: async (key, value) => void entries.set(key, value),
  };
  const mayKeep = (package_) =>
    package_.createGuard({
      rememberProvenance: true,
      fallbacks: new package_.FallbackRegistry().register(modelInfer, [package_.lastGood({ store })]),
    });
  const callCredentials = credentials.createFromMetadataGenerator((_options, done) =>
    done(null, new Metadata()),
  );
  const keeping = await clientOf(otherTesting, mayKeep(mine));
  await infer(keeping.client, { credentials: callCredentials });
  while (entries.size === 0) await new Promise((resolve) => setImmediate(resolve));
  const failing = new GRPCInferenceServiceClient(keeping.server.address, credentials.createInsecure(), {
    interceptors: [mayKeep(other).interceptor],
  });
  closers.push(() => failing.close());
  keeping.server.faults.set('demand-small', { error: { code: 14 } });
  const { response } = await infer(failing, { credentials: callCredentials });
  assert.equal(mine.provenanceOf(response).source, 'last-good');

  // Two guards, of a build each, on one client: each counts a call once.
  const pair = [mine.createGuard(), other.createGuard()];
  const both = await clientOf(otherTesting, ...pair);
  await infer(both.client);
  for (const each of pair) assert.equal(each.snapshots().at(-1).totals.outcomes.success, 1);
}

for (const close of closers.reverse()) await close();
console.log('both formats work together');
