// What docs/composing.md says of xDS, beyond the story of libraries/xds.mjs: node xds/main.mjs
import assert from 'node:assert/strict';
import { credentials } from '@grpc/grpc-js';
import { createGuard } from 'failsoft';
import { float32, inferRequest, inferResponse, tensor } from 'failsoft/oip';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { ManualClock, startMockServer } from 'failsoft/testing';
import { startControlPlane } from './control-plane.mjs';

let model = () => {};
const models = {
  m: async (request) => {
    await model();
    return inferResponse(request, { y: tensor(request, 'x') });
  },
};
const [first, second] = await Promise.all([startMockServer({ models }), startMockServer({ models })]);
const controlPlane = await startControlPlane(first.address, { maxRequests: 1 });
const clock = new ManualClock();
const guard = createGuard({ clock });
const client = new GRPCInferenceServiceClient(
  'xds:///model',
  credentials.createInsecure(),
  guard.clientOptions(),
);
const ask = () =>
  new Promise((resolve) => {
    client.modelInfer(inferRequest('m', { x: float32([1], [1]) }), (error, response) =>
      resolve({ error, response }),
    );
  });
const circuit = guard.circuit(`${GRPCInferenceServiceService.modelInfer.path}#m`);

// a cluster's limit of requests: a call beyond it never reaches a server, and counts as a failure
let meanwhile;
model = async () => {
  meanwhile = await ask();
};
assert.equal((await ask()).error, null);
assert.equal(meanwhile.error.code, 14);
model = () => {};
const { success, failure } = circuit.snapshot().totals.outcomes;
assert.deepEqual({ success, failure }, { success: 1, failure: 1 });

// the service moves while its circuit is open: the next probe reaches the other server
first.faults.set('m', { error: { code: 14 } });
while (circuit.state !== 'open') assert.equal((await ask()).error.code, 14);
controlPlane.move(second.address);
const giveUpAt = Date.now() + 30_000;
do {
  assert.ok(Date.now() < giveUpAt, 'no answer of the second server');
  clock.advance(60_000);
} while ((await ask()).error !== null);
assert.match(circuit.state, /recovering|closed/);
assert.equal(guard.snapshots().length, 1);

client.close();
guard.close();
controlPlane.close();
await Promise.all([first.close(), second.close()]);
console.log('xds: a limit of requests, and a service that moves');
