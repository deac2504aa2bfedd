// A NestJS application whose gRPC client is guarded: a provider owns the guard, and closes it with the module.
//
//   npx tsx examples/nest/main.ts

import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { isFailsoftError } from 'failsoft';
import { labelledInputs, startMockServer } from 'failsoft/testing';
import { appModule } from './app.module.js';
import { DemandService } from './demand.service.js';
import { ModelGuard } from './model-guard.js';

const server = await startMockServer({ models: ['demand-large'] });
const app = await NestFactory.createApplicationContext(appModule(server.address), {
  logger: ['error', 'warn'],
});
const demand = app.get(DemandService);
const { guard } = app.get(ModelGuard);
guard.on('transition', ({ from, to }) => console.log(`  circuit: ${from} -> ${to}`));

const inputs = labelledInputs(7);
const known = inputs.next().value.features;
const unknown = inputs.next().value.features;
async function show(what: string, features: readonly number[]): Promise<void> {
  const { level, source } = await demand.demand(features);
  console.log(`${what}: level ${level} from ${source}`);
}

await show('all is well', known);
server.faults.set('demand-large', { error: { code: 14 } });
await show('the model fails', known);
await show('an input that it never saw', unknown);
for (let failures = 3; failures <= 5; failures++) await demand.demand(known);
await show('its circuit is open', known);
server.faults.clear();
await app.close();
const refused = await guard.execute('late', () => 1).catch((error: unknown) => error);
console.log('the application is closed, and its guard with it:', isFailsoftError(refused) && refused.code);
await server.close();
