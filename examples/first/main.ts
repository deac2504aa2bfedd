import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { callUnary, createGuard, FallbackRegistry, lastGood } from 'failsoft';
import { float32, inferRequest, tensor } from 'failsoft/oip';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';

const address = process.env.ADDRESS ?? '127.0.0.1:8001';
const fallbacks = new FallbackRegistry().register(GRPCInferenceServiceService.modelInfer, [lastGood()]);
const guard = createGuard({ defaultDeadlineMs: 500, fallbacks });
const client = new GRPCInferenceServiceClient(address, credentials.createInsecure(), guard.clientOptions());
guard.on('transition', ({ from, to, reason }) => console.log(`${from} -> ${to}: ${reason}`));

const features = new Array(16).fill(0.5);
for (;;) {
  const request = inferRequest('demand-large', { features: float32([1, features.length], features) });
  try {
    const { response, source } = await callUnary(client, 'modelInfer', request);
    console.log(`level ${tensor(response, 'level', 'INT64').data[0]} from ${source}`);
  } catch (error) {
    console.log(`no answer: ${error}`);
  }
  await sleep(500);
}
