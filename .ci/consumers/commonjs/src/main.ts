// Every entry point as a CommonJS program in TypeScript sees it, and two calls.

import { openTelemetry } from 'failsoft/opentelemetry';
import { opossumEngine } from 'failsoft/opossum';
import { prometheus } from 'failsoft/prometheus';
import { KServeInferenceServiceClient } from 'failsoft/protos/kserve';
import { FaultServiceClient } from 'failsoft/protos/mock';
import { PredictionServiceClient } from 'failsoft/protos/tfserving';
import { InferenceAPIsServiceClient } from 'failsoft/protos/torchserve';
import { openBullQueue } from 'failsoft/queue-bullmq';
import { openLevelQueue } from 'failsoft/queue-level';
import { DEMAND_FEATURES, startMockServer } from 'failsoft/testing';
import { Guards, Predictor } from './predictor';

async function main(): Promise<void> {
  const server = await startMockServer({ latencyMs: 0 });
  const predictor = new Predictor(new Guards(), server.address);
  const features = DEMAND_FEATURES.map(() => 0);
  const sources = [await predictor.predict(features)];
  server.faults.set('demand-small', { error: { code: 14 } });
  sources.push(await predictor.predict(features));
  predictor.close();
  await server.close();
  const protos = [KServeInferenceServiceClient, PredictionServiceClient, InferenceAPIsServiceClient];
  const rest = [
    opossumEngine,
    FaultServiceClient,
    openBullQueue,
    openLevelQueue,
    prometheus,
    openTelemetry,
    ...protos,
  ].map((value) => typeof value);
  console.log(JSON.stringify({ sources, rest }));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
