import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { createGuard, defaultPrediction, FallbackRegistry, type Guard, perKey } from '../../src/index.js';
import { seededRandom } from '../../src/testing/index.js';
import { type EchoClient, echoClient, echoService, type Message } from '../../test/support/echo-service.js';
import { callOnce } from '../../test/support/every-kind.js';
import { OWN_HOST } from '../../test/support/own-host.js';
import { startFaultyServer } from './faulty-server.js';

const SEGMENTS = 6;
/** Segments after which all code is compiled and every cache is full. */
const WARM = 2;
const LANES = 24;
/** Least number of calls of a segment, however slow the machine is, because warm-up depends on the number of calls. */
const LEAST_CALLS = 400;
/** The last segment also runs until a circuit has opened and closed and a fallback has answered, but at most this long. */
const LONGEST_MS = 120_000;
/** Most bytes of heap that a call may leave behind: none, within the noise of a short run. */
const BYTES_PER_CALL = 64;
const NOISE_BYTES = 3_000_000;

/** @returns whether nothing leaked */
export async function runSoak(seconds: number, seed: number): Promise<boolean> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('start it with node --expose-gc, as npm run soak does');
  const random = seededRandom(seed);
  const guard = soakGuard();
  let opened = 0;
  let closed = 0;
  let degraded = 0;
  guard.on('transition', ({ to }) => {
    if (to === 'open') opened++;
    if (to === 'closed') closed++;
  });
  guard.on('degraded', () => degraded++);
  const wellTested = () => opened > 0 && closed > 0 && degraded > 0;
  let server = await startFaultyServer(random, { host: OWN_HOST });
  const client = echoClient(server.address, {
    interceptors: [guard.interceptor],
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': 50,
  });

  const codes = new Map<string, number>();
  const heap: { calls: number; bytes: number }[] = [];
  let calls = 0;
  for (let segment = 1; segment <= SEGMENTS; segment++) {
    const until = performance.now() + (seconds * 1_000) / SEGMENTS;
    const least = calls + LEAST_CALLS;
    const isDone = () => {
      const nowMs = performance.now();
      if (nowMs < until || calls < least) return false;
      return segment < SEGMENTS || wellTested() || nowMs > until + LONGEST_MS;
    };
    const lane = async () => {
      while (!isDone()) {
        const code = await oneCall(client, random);
        codes.set(code, (codes.get(code) ?? 0) + 1);
        calls++;
      }
    };
    const lanes = Promise.all(Array.from({ length: LANES }, lane));
    await later((seconds * 1_000) / SEGMENTS / 3);
    server.close();
    await later((seconds * 1_000) / SEGMENTS / 6);
    server = await startFaultyServer(random, { host: OWN_HOST, port: server.port });
    await lanes;
    await drained(guard);
    collect();
    collect();
    heap.push({ calls, bytes: process.memoryUsage().heapUsed });
    console.log(
      `segment ${segment} of ${SEGMENTS}: ${calls} calls, heap ${megabytes(heap.at(-1)?.bytes)} MB`,
    );
  }

  const snapshots = guard.snapshots();
  const inFlight = snapshots.reduce((sum, snapshot) => sum + snapshot.inFlight, 0);
  const permits = snapshots.reduce((sum, { totals }) => {
    const settled = Object.values(totals.outcomes).reduce((all, count) => all + count, totals.stale);
    return sum + totals.admitted - settled;
  }, 0);
  client.close();
  server.close();
  await guard.close();
  const timers = await leftTimers();
  const warm = heap[WARM - 1] ?? { calls: 0, bytes: 0 };
  const last = heap.at(-1) ?? warm;
  const grown = last.bytes - warm.bytes;
  const flat = grown <= NOISE_BYTES + BYTES_PER_CALL * (last.calls - warm.calls);

  const byCode = [...codes].sort(([, a], [, b]) => b - a).map(([code, count]) => `${code} ${count}`);
  console.log(`seed ${seed}, ${seconds} s, ${calls} calls: ${byCode.join(', ')}`);
  console.log(`circuits opened ${opened} times, closed ${closed} times; ${degraded} answers by fallbacks`);
  console.log(`in flight ${inFlight}, permits ${permits}, timers ${timers}`);
  console.log(
    `heap ${megabytes(warm.bytes)} MB warm, ${megabytes(last.bytes)} MB at the end: ${flat ? 'flat' : 'grown'}`,
  );
  if (!wellTested()) console.log('the run was too short to see a circuit open, close and a fallback answer');
  const clean = inFlight === 0 && permits === 0 && timers === 0 && flat;
  console.log(clean ? 'nothing is left behind' : 'SOMETHING IS LEFT BEHIND');
  return clean && wellTested();
}

function soakGuard(): Guard {
  const text = { text: 'default' };
  return createGuard({
    keyBy: perKey(({ request }) => (request as Message | undefined)?.text),
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
      .register(echoService.unary, [
        {
          name: 'secondary:later',
          answer: async ({ request }) => {
            await new Promise((resolve) => setImmediate(resolve));
            return request.text === 'm1' ? { message: text, source: 'secondary:later' } : undefined;
          },
        },
        defaultPrediction(text),
      ])
      .register(echoService.clientStream, [defaultPrediction(text)])
      .register(echoService.serverStream, [
        { name: 'default', answer: () => ({ message: [text, text], source: 'default' }) },
      ]),
  });
}

/** Makes a random call. @returns how it ended */
async function oneCall(client: EchoClient, random: () => number): Promise<string> {
  const text = `m${Math.floor(random() * 4)}`;
  const kind =
    (['unary', 'clientStream', 'serverStream', 'bidi'] as const)[Math.floor(random() * 4)] ?? 'unary';
  const deadline = Date.now() + 40 + Math.floor(random() * 60);
  if (random() < 0.05) return abandon(client, text, deadline);
  if (random() < 0.05) return neverEnd(client, kind, text, deadline);
  const cancels = random() < 0.1 ? { cancelAfter: Math.floor(random() * 15) } : {};
  const { code } = await callOnce(client, kind, text, { deadline, ...cancels });
  return status[code];
}

/** A caller that reads one message and abandons the stream. */
async function abandon(client: EchoClient, text: string, deadline: number): Promise<string> {
  const call = client.serverStream({ text }, new Metadata(), { deadline });
  call.on('error', () => undefined);
  try {
    for await (const _message of call) break;
  } catch {
    return 'abandoned late'; // failed before its first message
  }
  return 'abandoned';
}

/** A caller that begins to send, and never ends its stream. */
async function neverEnd(client: EchoClient, kind: string, text: string, deadline: number): Promise<string> {
  const options = { deadline };
  const call =
    kind === 'bidi'
      ? client.bidi(new Metadata(), options).on('data', () => undefined)
      : client.clientStream(new Metadata(), options, () => undefined);
  call.on('error', () => undefined);
  call.write({ text });
  const { code } = await new Promise<StatusObject>((resolve) => call.on('status', resolve));
  return `never ended ${status[code]}`;
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until no call is in flight. A call that is in flight after five seconds is a finding. */
async function drained(guard: Guard): Promise<void> {
  const until = performance.now() + 5_000;
  while (guard.snapshots().some(({ inFlight }) => inFlight > 0) && performance.now() < until) await later(5);
}

/** Number of timers after everything is closed. Connections have a moment to end theirs. */
async function leftTimers(): Promise<number> {
  const count = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  for (let turn = 0; turn < 2_000 && count() > 0; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  return count();
}

function megabytes(bytes = 0): string {
  return (bytes / 1e6).toFixed(1);
}
