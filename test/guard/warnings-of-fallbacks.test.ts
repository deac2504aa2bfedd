import { status } from '@grpc/grpc-js';
import {
  answerWith,
  coalesce,
  defaultPrediction,
  FallbackRegistry,
  type FallbackStrategy,
  lastGood,
  secondaryModel,
  type WarningEvent,
} from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  type EchoClient,
  type EchoServer,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../support/echo-service.js';
import { createGuard } from '../support/guard.js';

const closers = closedAfterEach();
const CALLS = 10;

type Strategy = FallbackStrategy<Message, Message>;

const throws = (): never => {
  throw new Error('a bug of the user');
};
const rejects = async (): Promise<never> => throws();

/** The process warnings of ours, without their stacks. */
function writtenWarnings(): string[] {
  const written: string[] = [];
  const note = ({ name, message }: Error) =>
    name === 'FailsoftWarning' && written.push(message.split('\n', 1)[0] ?? '');
  process.on('warning', note);
  closers.push(() => process.removeListener('warning', note));
  return written;
}

/** A guard with this chain, on a server that is down, and the warnings of both the guard and the process. */
async function setUp(make: (address: string) => Strategy) {
  const server = await startEchoServer({
    unary: (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'down' }),
  });
  const registry = new FallbackRegistry().register(echoService.unary, [make(server.address)]);
  const guard = createGuard({ fallbacks: registry, circuit: { mode: 'observe' } });
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => registry.close(),
    () => guard.close(),
    () => client.close(),
  );
  const events: WarningEvent[] = [];
  guard.on('warning', (event) => events.push(event));
  return { server, registry, client, events, written: writtenWarnings() };
}

const call = async (client: EchoClient) => void (await callUnary(client, 'a'));
const callWell = async (client: EchoClient, server: EchoServer) => {
  server.handlers.unary = (_call, callback) => callback(null, { text: 'good' });
  await call(client);
};
const brokenStore = { get: rejects, set: rejects };
const mine = (more: Partial<Strategy>): Strategy => ({ name: 'mine', answer: () => undefined, ...more });

describe("a user's function of a fallback that throws", () => {
  it.each<[string, (address: string) => Strategy, typeof callWell]>([
    ['classify of secondary:fn', () => answerWith('fn', throws, { circuit: false, classify: throws }), call],
    [
      'classify of secondary:model',
      (address) => {
        const small = echoClient(address);
        closers.push(() => small.close());
        const rules = [{ code: status.UNAVAILABLE, when: throws, outcome: 'ignored' as const }];
        // a client that only has the types of a generated one
        return secondaryModel(
          small as never,
          'unary' as never,
          {
            name: 'model',
            circuit: false,
            classify: { rules },
          } as never,
        );
      },
      call,
    ],
    ['keep() of mine for /test.Echo/Unary', () => mine({ keep: throws }), callWell],
    [
      "the metadata of mine's answer",
      () => mine({ answer: () => ({ source: 'mine', message: { text: 'x' }, metadata: { 'a b': 'c' } }) }),
      call,
    ],
  ])('%s: one process warning, and an event for each call', async (source, make, once) => {
    const { client, server, events, written } = await setUp(make);
    for (let n = 0; n < CALLS; n++) await once(client, server);
    expect(events.map(({ count }) => count)).toEqual(Array.from({ length: CALLS }, (_, n) => n + 1));
    expect(events[0]).toEqual({ source, error: expect.any(Error), count: 1 });
    await expect.poll(() => written).toEqual([expect.stringContaining(`${source}: `)]);
  });

  it.each([
    ['throws', throws],
    ['rejects', rejects],
  ])(
    'is reported by the guard once per change, when a listener of a store %s',
    async (_how, onStoreState) => {
      const { client, events, written } = await setUp(() =>
        coalesce(lastGood({ store: brokenStore, onStoreState })),
      );
      await call(client);
      const source = 'onStoreState of lastGood';
      await expect.poll(() => events).toEqual([{ source, error: expect.any(Error), count: 1 }]);
      await expect.poll(() => written).toEqual([expect.stringContaining(`${source}: Error: a bug`)]);
    },
  );

  it.each([
    ['throws', throws],
    ['rejects', rejects],
  ])("is reported by the guard, when a listener of a fallback's circuit %s", async (_how, listener) => {
    const protectedBy = answerWith<Message, Message>('fn', () => undefined, { onIsolation: listener });
    const { events, written } = await setUp(() => protectedBy);
    for (let n = 0; n < CALLS; n++) protectedBy.circuit?.isolate().release();
    await expect
      .poll(() => events.at(-1))
      .toMatchObject({ source: 'onIsolation of secondary:fn', count: 20 });
    await expect.poll(() => written).toHaveLength(1);
  });

  it('is reported by the guard, when a listener of the registry throws', async () => {
    const { client, registry, events } = await setUp(() => lastGood({ store: brokenStore }));
    registry.onStore(throws);
    await call(client);
    await expect.poll(() => events.map(({ source }) => source)).toEqual(["a listener of 'store'"]);
  });

  it('is reported to a listener of the registry too, and not after it was unsubscribed', async () => {
    const { client, registry } = await setUp(() =>
      answerWith('fn', throws, { circuit: false, classify: throws }),
    );
    const seen: string[] = [];
    const stop = registry.onWarning(({ source }) => seen.push(source));
    await call(client);
    stop();
    await call(client);
    expect(seen).toEqual(['classify of secondary:fn']);
  });

  it('is reported when a default that is tried out is rejected later', async () => {
    const { events } = await setUp(() => defaultPrediction<Message, Message>(rejects));
    await expect.poll(() => events).toMatchObject([{ source: 'the default for /test.Echo/Unary', count: 1 }]);
  });
});
