import { type Client, InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import {
  answerWith,
  coalesce,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type Guard,
  lastGood,
  perModel,
} from '../../src/index.js';
import { callUnary, soakClient } from './calls.js';
import { killAndRestart } from './killer.js';
import { type Fate, faulty, SoakServer } from './server.js';
import { APPLICATION, type Message, soakService, TENANT } from './service.js';
import { closeGuard, onLanes, pick, randomOf, untilSeen, type World } from './world.js';

const LANES = 4;
const MAX_CIRCUITS = 64;
const MODELS = ['churn', 'fraud', 'rank', 'spam', 'price'] as const;
const TENANTS = ['acme', 'globex', 'initech'] as const;
const TEXTS = ['a', 'b', 'c', 'd'] as const;
/** Fresh names per legitimate call. */
const FLOODS = [1, 4, 16] as const;
const FLOOD = 'flood-';
const TOKEN = 'authorization';
const DOWN_FOR_MS = 700;
/** A kept answer outlives the steps of the clock. */
const HOUR_MS = 3_600_000;

/**
 * Models that the message or the metadata name, tenants that the metadata name, a flood of fresh names, and a model that is
 * down at any time. Each answer must be that of the caller's own model, tenant and text. An interceptor behind the guard signs
 * the metadata of the primary; its token must not come to the secondary.
 */
export async function runModels(world: World): Promise<void> {
  const { ledger } = world;
  const random = randomOf(world, 'models');
  const primary = await SoakServer.start({ fate: (model) => fateOf(model, random) });
  const secondary = await SoakServer.start({
    fate: (_model, metadata) => {
      if (String(metadata.get(TOKEN)[0] ?? '').startsWith('primary'))
        ledger.fail("the primary's token came to the secondary");
      return faulty(random, 'injected fault of the secondary');
    },
  });
  const other = soakClient(secondary.address);
  const guard = modelsGuard(world, other);
  let opened = 0;
  guard.on('transition', ({ to, circuitKey }) => {
    if (to === 'open' && !circuitKey.includes(FLOOD)) opened++;
  });
  const own = untilSeen(world, () => opened > 0);
  const client = soakClient(primary.address, guard.clientOptions({ interceptors: [signing(random)] }));
  const killing = Promise.all([killAndRestart(own, primary, random), killAndRestart(own, secondary, random)]);
  await onLanes(
    own,
    LANES,
    () => 10 * random(),
    async () => {
      await Promise.all([oneCall(own, client, random), flood(own, client, random)]);
    },
  );
  await killing;
  ledger.add("circuits of a flooded guard's models opened", opened);
  if (opened === 0) ledger.fail('models: no circuit of a legitimate model opened under the flood');
  client.close();
  other.close();
  primary.kill();
  secondary.kill();
  await closeGuard('models', guard, ledger);
}

function modelsGuard({ clock }: World, other: Client): Guard {
  const vary = [TENANT];
  const kept = () => lastGood<Message, Message>({ vary, clock, maxEntries: 200, maxStaleMs: 3 * HOUR_MS });
  const ask = (method: typeof soakService.infer) =>
    coalesce(
      answerWith<Message, Message>(
        'other',
        ({ request, metadata }) => asked(other, method, request, metadata),
        {
          timeoutMs: 100,
        },
      ),
      { vary },
    );
  const made = () =>
    defaultPrediction<Message, Message>((request, { metadata }) => ({
      model_name: String(metadata.get(APPLICATION)[0] ?? request.model_name),
      tenant: String(metadata.get(TENANT)[0] ?? ''),
      text: request.text,
    }));
  return createGuard({
    clock,
    keyBy: perModel(),
    maxCircuits: MAX_CIRCUITS,
    circuit: { open: { baseMs: 20, maxMs: 100 }, recovering: { durationMs: 50 } },
    fallbacks: new FallbackRegistry()
      .register(soakService.infer, [kept(), ask(soakService.infer), made()])
      .register(soakService.predict, [kept(), ask(soakService.predict), made()]),
  });
}

function asked(
  client: Client,
  { path, requestSerialize, responseDeserialize }: typeof soakService.infer,
  request: Message,
  metadata: Metadata,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 100 };
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (error, answer) => (answer === undefined ? reject(error) : resolve(answer)),
    );
  });
}

/** Signs each call with a token of its own, on the metadata that it is given. */
function signing(random: () => number): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set(TOKEN, `primary ${random()}`);
        next(metadata, listener);
      },
    });
}

/** One model after another is down; names of the flood are not found, fail, or are served. */
function fateOf(model: string, random: () => number): Fate {
  if (model.startsWith(FLOOD)) {
    const draw = random();
    if (draw < 0.4) return { kind: 'failed', fault: { code: status.NOT_FOUND, details: 'no such model' } };
    if (draw < 0.8) return { kind: 'failed', fault: { code: status.UNAVAILABLE, details: 'not loaded' } };
    return { kind: 'served', afterMs: 0 };
  }
  const down = MODELS[Math.floor(performance.now() / DOWN_FOR_MS) % MODELS.length];
  if (model === down)
    return { kind: 'failed', fault: { code: status.UNAVAILABLE, details: `${model} is down` } };
  return faulty(random, 'injected fault');
}

async function oneCall({ ledger }: World, client: Client, random: () => number): Promise<void> {
  const model = pick(random, MODELS);
  const tenant = pick(random, TENANTS);
  const text = pick(random, TEXTS);
  const metadata = new Metadata();
  metadata.set(TENANT, tenant);
  const inMetadata = random() < 0.5;
  if (inMetadata) metadata.set(APPLICATION, model);
  const method = inMetadata ? soakService.predict : soakService.infer;
  const request = { model_name: inMetadata ? '' : model, tenant: '', text };
  const cancelAfterMs = random() < 0.1 ? Math.floor(random() * 10) : undefined;
  if (cancelAfterMs !== undefined) ledger.add('cancels');
  const settings = { metadata, timeoutMs: 100 + Math.floor(random() * 300), cancelAfterMs };
  const { code, response, source } = await callUnary(ledger, client, method, request, settings);
  if (code !== status.OK || response === undefined) return;
  ledger.add('answers whose key was checked');
  if (response.model_name !== model || response.tenant !== tenant || response.text !== text)
    ledger.fail(
      `an answer of another key, by ${source} of ${method.path}: asked ${model}/${tenant}/${text}, got ${response.model_name}/${response.tenant}/${response.text}`,
    );
  if (metadata.get(TOKEN).length > 0) ledger.fail("the primary's token came to the caller's metadata");
}

async function flood({ ledger }: World, client: Client, random: () => number): Promise<void> {
  const calls = Array.from({ length: pick(random, FLOODS) }, () => {
    ledger.add('calls with fresh names');
    const request = {
      model_name: `${FLOOD}${Math.floor(random() * 2 ** 40).toString(36)}`,
      tenant: '',
      text: 'x',
    };
    return callUnary(ledger, client, soakService.infer, request, {
      timeoutMs: 100,
      failsoft: { fallback: false },
    });
  });
  await Promise.all(calls);
}
