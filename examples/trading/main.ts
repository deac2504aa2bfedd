// A desk buys electricity by a model's forecast of the demand. An order that follows an old or crude forecast is worse than
// no order. So the desk has no fallback, on purpose: when the model fails, the desk halts at once. The screen on the wall may
// show an old forecast, together with its age.
//
//   npx tsx examples/trading/main.ts

import { credentials, status } from '@grpc/grpc-js';
import {
  type CircuitOptions,
  callUnary,
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  FallbackRegistry,
  lastGood,
  noFallback,
} from 'failsoft';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import {
  DEMAND_LEVELS,
  demandLevel,
  demandRequest,
  labelledInputs,
  ManualClock,
  startMockServer,
} from 'failsoft/testing';

const MODEL = 'demand-large';
const MEGAWATT_HOURS = [0, 10, 20, 40, 60]; // to buy, by the level of demand
const clock = new ManualClock(); // the story's seconds pass without waiting
const server = await startMockServer({ models: [MODEL] });
const { modelInfer } = GRPCInferenceServiceService;
const insecure = credentials.createInsecure();

const circuit: CircuitOptions = {
  trip: [consecutiveFailures({ failures: 2 })],
  open: { baseMs: 30_000, jitter: 'none' },
  recovering: false, // two callers are too few to overload a cold model
};
// The desk: noFallback() states the decision in code. A strategy that is registered behind it later is never asked.
const onlyTheModel = new FallbackRegistry().register(modelInfer, [noFallback()]);
const desk = createGuard({ circuit, fallbacks: onlyTheModel, clock });
desk.on('transition', ({ from, to, reason }) =>
  console.log(`  desk's circuit: ${from} -> ${to} (${reason})`),
);
// The screen has a guard of its own, with the last good forecast.
const lastForecast = new FallbackRegistry().register(modelInfer, [lastGood({ clock })]);
const screen = createGuard({ circuit, fallbacks: lastForecast, clock });

const clientOf = (guard: typeof desk) =>
  new GRPCInferenceServiceClient(server.address, insecure, guard.clientOptions());
const clients = { desk: clientOf(desk), screen: clientOf(screen) };
const { features } = labelledInputs(3).next().value;

const forecast = (client: GRPCInferenceServiceClient) =>
  callUnary(client, 'modelInfer', demandRequest(MODEL, features));

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function trade(): Promise<void> {
  try {
    const level = demandLevel((await forecast(clients.desk)).response);
    console.log(`  desk: demand ${DEMAND_LEVELS[level]}, buys ${MEGAWATT_HOURS[level]} MWh`);
  } catch (error) {
    const rejection = circuitRejectionOf(error);
    if (rejection === undefined) return console.log(`  desk: HALT, no order (${messageOf(error)})`);
    const { reason, retryAfterMs } = rejection;
    const retry = retryAfterMs > 0 ? `, try again in ${retryAfterMs / 1_000} s` : '';
    console.log(`  desk: HALT, no order (${reason}${retry})`);
  }
}

async function showOnScreen(): Promise<void> {
  const { response, ageMs } = await forecast(clients.screen);
  const age = ageMs === undefined ? 'fresh' : `${ageMs / 1_000} s old`;
  console.log(`  screen: demand ${DEMAND_LEVELS[demandLevel(response)]} (${age})`);
}

async function step(text: string): Promise<void> {
  console.log(`second ${clock.now() / 1_000}: ${text}`);
  await trade();
  await showOnScreen();
}

await step('all is well');
server.faults.set(MODEL, { error: { code: status.INTERNAL, details: 'CUDA error' } });
clock.advance(10_000);
await step('the model fails');
await step('it fails again: both circuits open');
await step('no call reaches it any more');
server.faults.clear(MODEL);
clock.advance(29_000);
await step('the model is well again, but both circuits are still open');
clock.advance(1_000);
await step('the open time is over: the next call is a probe, and succeeds');

const halted = desk.circuit(modelInfer, MODEL).isolate();
await step('the risk officer isolates the desk: no call is made, though the model is well');
halted.release();
await step('the risk officer releases it');

for (const client of Object.values(clients)) client.close();
await Promise.all([desk.close(), screen.close(), server.close()]);
