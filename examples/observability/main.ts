// A guarded client under traffic, with a model that breaks every few seconds, and its metrics for Prometheus.
//
//   npx tsx examples/observability/main.ts        (PORT=9464)

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata } from '@grpc/grpc-js';
import {
  createGuard,
  defaultPrediction,
  defaults,
  deferred,
  FallbackRegistry,
  lastGood,
  secondaryModel,
  slowRate,
} from 'failsoft';
import { prometheus } from 'failsoft/prometheus';
import {
  GRPCInferenceServiceClient,
  GRPCInferenceServiceService,
  type ModelInferRequest,
} from 'failsoft/protos/oip';
import { openLevelQueue } from 'failsoft/queue-level';
import { demandRequest, labelledInputs, majorityAnswer, startMockServer } from 'failsoft/testing';
import { Registry } from 'prom-client';

const WELL_MS = 4_000;
const BROKEN_MS = 8_000;
const CALLS_PER_SECOND = 40;

const server = await startMockServer();
const directory = await mkdtemp(join(tmpdir(), 'failsoft-observability-'));
const queue = await openLevelQueue(directory, { maxJobs: 2_000 });
const { modelInfer } = GRPCInferenceServiceService;
const insecure = credentials.createInsecure();
const small = new GRPCInferenceServiceClient(server.address, insecure);
const toSmall = (request: ModelInferRequest) => ({ ...request, modelName: 'demand-small' });

const fallbacks = new FallbackRegistry().register(modelInfer, [
  lastGood(),
  secondaryModel(small, 'modelInfer', { name: 'small', request: toSmall }),
  // nothing drains the queue here: it grows, as a queue without a drainer does
  deferred({ queue, acknowledge: (request) => majorityAnswer(request) }),
  defaultPrediction(majorityAnswer),
]);
const guard = createGuard({
  fallbacks,
  defaultDeadlineMs: 500,
  circuit: {
    trip: [...defaults.trip, slowRate({ threshold: 0.9, slowThresholdMs: 400, minimumCalls: 20 })],
    open: { baseMs: 1_000, maxMs: 2_000 },
    concurrency: { type: 'fixed', limit: 50 },
  },
});
const client = new GRPCInferenceServiceClient(server.address, insecure, {
  interceptors: [guard.interceptor],
});

// The two lines that this example is about: the metrics, and the address at which Prometheus finds them.
const register = new Registry();
const metrics = prometheus(guard, { register, callDurations: true, queues: { predictions: queue } });
const http = createServer((request, response) => {
  if (request.url !== '/metrics') return void response.writeHead(404).end();
  register.metrics().then(
    (text) => response.writeHead(200, { 'content-type': register.contentType }).end(text),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});

const inputs = labelledInputs(7);
const known = inputs.next().value.features;
let calls = 0;
const traffic = setInterval(() => {
  const features = ++calls % 3 === 0 ? known : inputs.next().value.features;
  client.modelInfer(demandRequest('demand-large', features), new Metadata(), () => undefined);
}, 1_000 / CALLS_PER_SECOND);

let fault: NodeJS.Timeout;
function breakAndHeal(isBroken: boolean): void {
  server.faults.set('demand-large', isBroken ? { error: { code: 14 } } : {});
  // the small model is not well either while the large one is broken
  server.faults.set('demand-small', isBroken ? { error: { code: 14, share: 0.5 } } : {});
  fault = setTimeout(breakAndHeal, isBroken ? BROKEN_MS : WELL_MS, !isBroken);
}
fault = setTimeout(breakAndHeal, 1_000, true);

http.listen(Number(process.env.PORT ?? 9464), '127.0.0.1', () => {
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : '';
  console.log(`metrics at http://127.0.0.1:${port}/metrics; Ctrl-C stops it`);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());

async function stop(): Promise<void> {
  clearInterval(traffic);
  clearTimeout(fault);
  http.closeAllConnections();
  http.close();
  metrics.close();
  await guard.close();
  await fallbacks.close();
  client.close();
  small.close();
  await server.close();
  await queue.close();
  await rm(directory, { recursive: true, force: true });
}
