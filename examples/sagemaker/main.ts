// A model behind SageMaker's container protocol: npx tsx examples/sagemaker/main.ts
//
// The model server is FastAPI under uvicorn where FAILSOFT_FASTAPI_PYTHON names an interpreter that has both, and Node otherwise. The
// client is the same: `guardedFetch()`, with a circuit per endpoint. While a circuit is open, the guard asks GET /ping.
import {
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  lastGood,
  provenanceOf,
} from 'failsoft';
import { guardedFetch, httpRoute } from 'failsoft/fetch';
import { isReady, startFastApi, startNode } from './endpoint.js';

interface Features {
  readonly features: readonly number[];
}

interface Predictions {
  readonly predictions: readonly number[];
}

const python = process.env.FAILSOFT_FASTAPI_PYTHON;
const endpoint = python === undefined || python === '' ? await startNode() : await startFastApi(python);

const route = '/endpoints/:name/invocations';
const invoke = httpRoute<Features, Predictions>(`POST ${endpoint.url}${route}`);
const fallbacks = new FallbackRegistry().register(invoke, [
  lastGood(),
  defaultPrediction({ body: { predictions: [0] } }),
]);
const guard = createGuard({
  fallbacks,
  defaultDeadlineMs: 2_000,
  // The open time is long on purpose: the story shows that the server's answer to /ping ends it.
  circuit: {
    trip: [consecutiveFailures({ failures: 2 })],
    open: { baseMs: 60_000, jitter: 'none' },
    recovering: false,
  },
  recovery: { check: ({ signal }) => isReady(endpoint.url, signal), intervalMs: 50 },
});
guard.on('transition', ({ from, to }) => console.log(`  circuit ${from} -> ${to}`));
/** Resolves when GET /ping has answered, while the circuit is open, that the model is ready. */
const isBack = new Promise<void>((resolve) => {
  guard.on('probe', ({ outcome }) => {
    if (outcome === 'success') resolve();
  });
});
const fetch = guardedFetch(guard, { routes: [route, '/invocations'] });

async function ask(title: string, name: string, features: readonly number[]): Promise<void> {
  const response = await fetch(`${endpoint.url}/endpoints/${name}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ features }),
  });
  const { source, cause } = provenanceOf(response);
  const text = response.ok ? JSON.parse(await response.text()).predictions[0] : `HTTP ${response.status}`;
  await response.body?.cancel().catch(() => undefined);
  console.log(`${title}: ${text} from ${source}${cause === undefined ? '' : ` (${cause})`}`);
}

await ask('all is well', 'demand', [1, 2]);
await ask("a caller's error is passed on, and is none of the model's", 'demnad', [1, 2]);
await endpoint.setTrouble('busy');
await ask('no worker is free', 'demand', [1, 2]);
await endpoint.setTrouble('down');
await ask('the model fails', 'demand', [1, 2]);
await ask('an input that it never saw', 'demand', [3, 4]);
await ask('the circuit is open', 'demand', [1, 2]);
await endpoint.setTrouble('none');
await isBack;
await ask('GET /ping answers 200: the next call is the probe', 'demand', [3, 4]);
await guard.close();
await endpoint.close();
