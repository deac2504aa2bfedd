// A desk buys electricity by a model's demand forecast. An order on an old or a crude forecast is worse than no order, so
// the desk has no fallback, on purpose: without a forecast of the model itself it halts, at once. On the wall's screen an
// old forecast, marked as such, is better than none.
//
//   npx tsx examples/trading/main.ts

import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  type CircuitOptions,
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  FallbackRegistry,
  lastGood,
  noFallback,
  perModel,
  provenanceOf,
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
  recovering: false, // two callers are no crowd that a cold model must be protected from
};
// The desk: noFallback() says that "no fallback" is a decision; what is added behind it some day is never asked.
const none = new FallbackRegistry().register(modelInfer, [noFallback()]);
const desk = createGuard({ keyBy: perModel(), circuit, fallbacks: none, clock });
desk.on('transition', ({ from, to, reason }) =>
  console.log(`  desk's circuit: ${from} -> ${to} (${reason})`),
);
// The screen has a guard of its own.
const kept = new FallbackRegistry().register(modelInfer, [lastGood({ clock })]);
const screen = createGuard({ keyBy: perModel(), circuit, fallbacks: kept, clock });

const clientOf = (guard: typeof desk) =>
  new GRPCInferenceServiceClient(server.address, insecure, { interceptors: [guard.interceptor] });
const clients = { desk: clientOf(desk), screen: clientOf(screen) };
const { features } = labelledInputs(3).next().value;

/** A forecast and its age, or the error. */
function forecast(
  client: GRPCInferenceServiceClient,
): Promise<{ level: number; age: string } | ServiceError> {
  return new Promise((resolve) => {
    let age = 'fresh';
    const call = client.modelInfer(demandRequest(MODEL, features), (error, response) => {
      resolve(error ?? { level: demandLevel(response), age });
    });
    call.on('metadata', (metadata) => {
      const { ageMs } = provenanceOf(metadata);
      if (ageMs !== undefined) age = `${ageMs / 1_000} s old`;
    });
  });
}

async function trade(): Promise<void> {
  const said = await forecast(clients.desk);
  if ('level' in said)
    return console.log(`  desk: demand ${DEMAND_LEVELS[said.level]}, buys ${MEGAWATT_HOURS[said.level]} MWh`);
  const rejection = circuitRejectionOf(said);
  const again = rejection?.retryAfterMs
    ? `, no sooner than in ${rejection.retryAfterMs / 1_000} s again`
    : '';
  console.log(`  desk: HALT, no order (${rejection?.reason ?? status[said.code]}${again})`);
}

async function showOnScreen(): Promise<void> {
  const said = await forecast(clients.screen);
  console.log(
    'level' in said ? `  screen: demand ${DEMAND_LEVELS[said.level]} (${said.age})` : '  screen: dark',
  );
}

async function step(what: string): Promise<void> {
  console.log(`second ${clock.now() / 1_000}: ${what}`);
  await trade();
  await showOnScreen();
}

await step('all is well');
server.faults.set(MODEL, { error: { code: status.INTERNAL, details: 'CUDA error' } });
clock.advance(10_000);
await step('the model fails');
await step('it fails again: enough for both circuits');
await step('it is not asked any more');
server.faults.clear(MODEL);
clock.advance(29_000);
await step('it is well again, which nobody knows yet');
clock.advance(1_000);
await step('a call finds out');

const halted = desk.circuit(modelInfer, MODEL).isolate();
await step('the risk officer pulls the plug: nothing is asked, however well the model is');
halted.release();
await step('and puts it back');

for (const client of Object.values(clients)) client.close();
await Promise.all([desk.close(), screen.close(), server.close()]);
