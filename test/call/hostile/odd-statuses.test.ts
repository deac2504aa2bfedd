import {
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  StatusBuilder,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { FallbackRegistry, type FinishedCall, secondaryModel } from 'failsoft';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { startInferServer } from '../../fallback/infer-server.js';
import { METHOD, request, response } from '../../fallback/support.js';
import { KINDS } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, startEchoServer } from '../../support/echo-service.js';
import { createGuard, neverTrip, tripAfter } from '../../support/guard.js';
import { inFull } from '../../support/long.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { CHAINS, difference, fallbacksOf, observe, unsettled } from './two-clients.js';

const closers = closedAfterEach();

/** What a status may be that an interceptor makes: JavaScript checks no types. */
const odd = (made: object): StatusObject => made as StatusObject;
const { UNAVAILABLE: code } = status;
const details = 'scripted';
const STATUSES: Readonly<Record<string, () => StatusObject>> = {
  'an object as metadata': () => odd({ code, details, metadata: {} }),
  'null as metadata': () => odd({ code, details, metadata: null }),
  'no metadata': () => odd({ code, details }),
  'a list as metadata': () => odd({ code, details, metadata: [] }),
  'what a StatusBuilder makes': () => odd(new StatusBuilder().withCode(code).withDetails(details).build()),
  'OK and no metadata': () => odd({ code: status.OK, details: '' }),
  'no details': () => odd({ code, metadata: new Metadata() }),
  'no code': () => odd({ details, metadata: new Metadata() }),
  'a code in letters': () => odd({ code: 'UNAVAILABLE', details, metadata: new Metadata() }),
  'nothing at all': () => odd({}),
};

/** Ends each call with this status in place of the server's. */
const ending =
  (make: () => StatusObject): Interceptor =>
  (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, { onReceiveStatus: (_received, pass) => pass(make()) }),
    });

const chains = Object.keys(CHAINS);
describe.each(['enforce', 'observe'] as const)('in %s,', (mode) => {
  describe.each(chains)('with %s,', (chain) => {
    /** In `npm test` each chain and kind is tried in one of the modes. */
    const isTried = (_kind: string, index: number) =>
      inFull(true, (index + chains.indexOf(chain)) % 2 === (mode === 'enforce' ? 0 : 1));
    it.each(KINDS.filter(isTried))(
      'a status that an interceptor behind the guard made ends a %s call',
      async (kind) => {
        const server = await startEchoServer({
          unary: (_call, callback) => callback({ code, details }),
          clientStream: (_call, callback) => callback({ code, details }),
          serverStream: (call) => call.emit('error', { code, details }),
          bidi: (call) => call.emit('error', { code, details }),
        });
        const guard = createGuard({
          circuit: { ...neverTrip(), mode },
          fallbacks: fallbacksOf(CHAINS[chain]),
        });
        closers.push(
          () => server.close(),
          () => guard.close(),
        );
        const errors = uncaughtErrors(closers);
        const differences: Record<string, unknown> = {};
        for (const [name, make] of Object.entries(STATUSES)) {
          const plainClient = echoClient(server.address, { interceptors: [ending(make)] });
          const client = echoClient(server.address, { interceptors: [guard.interceptor, ending(make)] });
          closers.push(
            () => plainClient.close(),
            () => client.close(),
          );
          const differs = difference(
            await observe(plainClient, kind),
            await observe(client, kind, {}),
            chain,
          );
          if (differs !== undefined) differences[name] = differs;
          if (Object.keys(differences).length === 3) break; // each may have taken its time: these show enough
        }
        expect({ differences, errors, unsettled: unsettled(guard) }).toEqual({
          differences: {},
          errors: [],
          unsettled: [],
        });
      },
    );
  });
});

it.each(Object.entries(STATUSES))(
  "a user's rule gets trailers that it can read (%s)",
  async (_what, make) => {
    const server = await startEchoServer();
    const seen: unknown[] = [];
    const when = ({ metadata, details: text }: FinishedCall) => {
      seen.push(metadata.get('any').length, typeof text);
      return false;
    };
    const rules = Object.values(status)
      .filter((value): value is status => typeof value === 'number')
      .map((each) => ({ code: each, when, outcome: 'success' as const }));
    const guard = createGuard({ circuit: neverTrip(), classify: { rules } });
    const client = echoClient(server.address, { interceptors: [guard.interceptor, ending(make)] });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    const errors = uncaughtErrors(closers);
    await observe(client, 'unary', {});
    expect({ seen, errors }).toEqual({ seen: [0, 'string'], errors: [] });
  },
);

it('opens a circuit as any failure does', async () => {
  const server = await startEchoServer();
  const guard = createGuard({ circuit: tripAfter(2) });
  const make = () => odd({ code, details, metadata: {} });
  const client = echoClient(server.address, { interceptors: [guard.interceptor, ending(make)] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  const errors = uncaughtErrors(closers);
  for (let n = 0; n < 3; n++) await observe(client, 'unary', {});
  expect({ states: guard.snapshots().map(({ state }) => state), errors }).toEqual({
    states: ['open'],
    errors: [],
  });
  expect(server.calls.count).toBe(2);
});

describe.each(Object.entries(STATUSES))("a secondary's client that ends with %s", (what, make) => {
  it.each(['failed', 'rejected'])('costs a call that %s neither its status nor its process', async (how) => {
    const { port, stop } = await startInferServer((_call, done) => done(null, response()));
    const small = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      interceptors: [ending(make)],
    });
    const down = await startInferServer((_call, done) => done({ code, details: 'down' }));
    const fallbacks = new FallbackRegistry().register(METHOD, [
      secondaryModel(small, 'modelInfer', { name: 'small' }),
    ]);
    const guard = createGuard({ circuit: neverTrip(), fallbacks });
    const client = new GRPCInferenceServiceClient(`127.0.0.1:${down.port}`, credentials.createInsecure(), {
      interceptors: [guard.interceptor],
    });
    closers.push(
      stop,
      down.stop,
      () => small.close(),
      () => client.close(),
      () => guard.close(),
    );
    const errors = uncaughtErrors(closers);
    using _held = how === 'rejected' ? guard.circuit(METHOD).isolate() : undefined;
    const ended = await new Promise((resolve) => {
      setTimeout(resolve, 20_000, 'never ends');
      client.modelInfer(request(), (error) => resolve(error?.code ?? status.OK));
    });
    // An OK without trailers is an answer like any other.
    expect({ ended, errors }).toEqual({ ended: what.startsWith('OK') ? status.OK : code, errors: [] });
  });
});

it.each(['metadata', 'details'])('an OK whose %s cannot be read ends the call as an OK', async (name) => {
  const server = await startEchoServer();
  const make = () =>
    Object.defineProperty(odd({ code: status.OK, details: '', metadata: new Metadata() }), name, {
      get: () => {
        throw new Error('odd');
      },
    });
  const bare = echoClient(server.address, { interceptors: [ending(make)] });
  const guard = createGuard({ circuit: neverTrip() });
  const client = echoClient(server.address, { interceptors: [guard.interceptor, ending(make)] });
  closers.push(
    () => server.close(),
    () => bare.close(),
    () => client.close(),
    () => guard.close(),
  );
  const errors = uncaughtErrors(closers);
  const texts = await Promise.all(
    [bare, client].map(async (each) => (await callUnary(each, 'a')).value?.text),
  );
  expect({ texts, errors }).toEqual({ texts: ['echo a', 'echo a'], errors: [] });
  expect(guard.snapshots().map(({ inFlight, totals }) => [inFlight, totals.outcomes.success])).toEqual([
    [0, 1],
  ]);
});
