import { type Client, status } from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry, type Guard, perKey } from '../../src/index.js';
import { callStream, callUnary, soakClient, watch } from './calls.js';
import { killAndRestart } from './killer.js';
import { faulty, SoakServer } from './server.js';
import { type Message, soakService } from './service.js';
import { closeGuard, onLanes, pick, randomOf, untilSeen, type World } from './world.js';

const LANES = 8;
const KINDS = ['unary', 'clientStream', 'serverStream', 'bidi'] as const;
const TEXTS = ['m0', 'm1', 'm2', 'm3'] as const;

/** All four kinds of call under short time limits, with callers that cancel, walk away, or never end what they send. */
export async function runKinds(world: World): Promise<void> {
  const { ledger } = world;
  const random = randomOf(world, 'kinds');
  const guard = kindsGuard(world);
  const seen = { opened: 0, closed: 0, degraded: 0 };
  guard.on('transition', ({ to }) => {
    if (to === 'open') seen.opened++;
    if (to === 'closed') seen.closed++;
  });
  guard.on('degraded', () => seen.degraded++);
  const server = await SoakServer.start({ fate: () => faulty(random, 'injected fault') });
  const client = soakClient(server.address, { interceptors: [guard.interceptor] });
  const isWellTested = () =>
    seen.opened > 0 && seen.closed > 0 && seen.degraded > 0 && ledger.of('server kills') > 0;
  const own = untilSeen(world, isWellTested);
  const killing = killAndRestart(own, server, random);
  await onLanes(
    own,
    LANES,
    () => 4 * random(),
    () => oneCall(own, client, random),
  );
  await killing;
  if (!isWellTested())
    ledger.fail(
      'the run was too short to see a server killed, a circuit open and close, and a fallback answer',
    );
  ledger.add('circuits opened', seen.opened);
  ledger.add('circuits closed', seen.closed);
  client.close();
  server.kill();
  await closeGuard('kinds', guard, ledger);
}

function kindsGuard({ clock }: World): Guard {
  const answer: Message = { model_name: '', tenant: '', text: 'default' };
  return createGuard({
    clock,
    keyBy: perKey(({ request }) => textOf(request)),
    circuit: {
      trip: [{ rule: 'failure-rate', threshold: 0.5, minimumCalls: 10 }],
      window: { type: 'count', size: 20 },
      open: { baseMs: 10, maxMs: 50 },
      recovering: { durationMs: 20 },
    },
    parentCircuit: true,
    firstMessageTimeoutMs: 60,
    stallTimeoutMs: 60,
    abandonedAfterMs: 80,
    fallbacks: new FallbackRegistry()
      .register(soakService.unary, [
        {
          name: 'secondary:later',
          answer: async ({ request }) => {
            await new Promise((resolve) => setImmediate(resolve));
            return request.text === 'm1' ? { message: answer, source: 'secondary:later' } : undefined;
          },
        },
        defaultPrediction(answer),
      ])
      .register(soakService.clientStream, [defaultPrediction(answer)])
      .register(soakService.serverStream, [
        { name: 'default', answer: () => ({ message: [answer, answer], source: 'default' }) },
      ]),
  });
}

function textOf(request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null || !('text' in request)) return undefined;
  return typeof request.text === 'string' ? request.text : undefined;
}

async function oneCall(world: World, client: Client, random: () => number): Promise<void> {
  const { ledger } = world;
  const message: Message = { model_name: '', tenant: '', text: pick(random, TEXTS) };
  const timeoutMs = 40 + Math.floor(random() * 60);
  const draw = random();
  if (draw < 0.05) return abandon(world, client, message, timeoutMs);
  if (draw < 0.1) return neverEnd(world, client, message, timeoutMs);
  const cancelAfterMs = draw < 0.2 ? Math.floor(random() * 15) : undefined;
  if (cancelAfterMs !== undefined) ledger.add('cancels');
  const settings = { timeoutMs, cancelAfterMs };
  const kind = pick(random, KINDS);
  if (kind !== 'unary') {
    await callStream(ledger, client, kind, message, settings);
    return;
  }
  const { code, response } = await callUnary(ledger, client, soakService.unary, message, settings);
  if (code === status.OK && response?.text !== message.text && response?.text !== 'default')
    ledger.fail(`kinds: asked ${message.text}, got ${response?.text}`);
}

/** A caller that reads one message and walks away without a word. */
async function abandon({ ledger }: World, client: Client, message: Message, timeoutMs: number) {
  const { path, requestSerialize, responseDeserialize } = soakService.serverStream;
  const options = { deadline: Date.now() + timeoutMs };
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, message, options);
  ledger.add('calls');
  ledger.add('callers that walk away');
  call.on('error', () => undefined);
  try {
    for await (const _message of call) break;
  } catch {
    ledger.add('failed before their caller walked away');
  }
}

/** A caller that begins to send and never says that it is done. */
function neverEnd({ ledger }: World, client: Client, message: Message, timeoutMs: number): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = soakService.bidi;
  const options = { deadline: Date.now() + timeoutMs };
  return new Promise((resolve) => {
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, options);
    watch(ledger, path, timeoutMs, call, () => resolve());
    call.on('error', () => undefined).on('data', () => undefined);
    call.write(message);
  });
}
