import {
  InterceptingCall,
  type Interceptor,
  Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { type KeyBy, perKey, perMethod } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import { type EchoClient, echoClient, type Message, startEchoServer } from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { uncaughtErrors } from '../../support/uncaught.js';
import { CHAINS, fallbacksOf, quiet, unsettled } from './two-clients.js';

const closers = closedAfterEach();
const OK: StatusObject = { code: status.OK, details: '', metadata: new Metadata() };
const keyed = perKey(({ request }) => (request as Message | undefined)?.text);
const KEYS: readonly (readonly [string, KeyBy])[] = [
  ['method', perMethod()],
  ['request', keyed],
];

async function setUp(keyBy: KeyBy, chain: string, behind: Interceptor[] = []) {
  const server = await startEchoServer();
  const guard = createGuard({ keyBy, circuit: neverTrip(), fallbacks: fallbacksOf(CHAINS[chain]) });
  const plain = echoClient(server.address, { interceptors: behind });
  const client = echoClient(server.address, { interceptors: [guard.interceptor, ...behind] });
  closers.push(
    () => server.close(),
    () => plain.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { server, guard, plain, client };
}

describe('an interceptor behind the guard that answers a unary call within its start', () => {
  const answering =
    (ended: StatusObject, message: unknown): Interceptor =>
    (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (_metadata, listener) => {
          listener.onReceiveMetadata(new Metadata());
          listener.onReceiveMessage(message);
          listener.onReceiveStatus(ended);
        },
      });
  const called = async (client: EchoClient): Promise<readonly string[]> => {
    const answers: string[] = [];
    const answer = (error: ServiceError | null, value?: Message) =>
      answers.push(error ? `error ${error.code} ${error.details}` : `value ${value?.text}`);
    client.unary({ text: 'a' }, new Metadata(), {}, answer);
    await quiet(); // in which a second answer would come
    return answers;
  };

  const cases = KEYS.flatMap(([by, keyBy]) =>
    Object.keys(CHAINS).map((chain): [string, string, KeyBy] => [chain, by, keyBy]),
  );
  it.each(cases)('has its answer given once (%s, by %s)', async (chain, _by, keyBy) => {
    const { guard, plain, client } = await setUp(keyBy, chain, [answering(OK, { text: 'at once' })]);
    expect(await called(plain)).toEqual(['value at once']);
    expect(await called(client)).toEqual(['value at once']);
    expect(unsettled(guard)).toEqual([]);
  });

  it.each(cases)(
    'has its error given once, or a fallback in its place (%s, by %s)',
    async (chain, _by, keyBy) => {
      const failure = { ...OK, code: status.UNAVAILABLE, details: 'at once' };
      const { guard, plain, client } = await setUp(keyBy, chain, [answering(failure, null)]);
      expect(await called(plain)).toEqual(['error 14 at once']);
      const wanted = chain.includes('answers') ? 'value fallback' : 'error 14 at once';
      expect(await called(client)).toEqual([wanted]);
      expect(unsettled(guard)).toEqual([]);
    },
  );
});

describe('a caller whose own listener throws', () => {
  /** Makes a call whose listener of one event throws, and writes down what it saw from there on. */
  async function seen(client: EchoClient, kind: Kind, event: string, errors: string[]) {
    const before = errors.length;
    const events: string[] = [];
    let giveUp = () => {};
    const note = (name: string) => {
      events.push(name);
      if (name !== event) return;
      void quiet().then(() => giveUp()); // it may be the last that is called: a stream is not read on
      throw new Error(`a bug in ${name}`);
    };
    const metadata = new Metadata();
    const callback = () => note('callback');
    const over = new Promise<void>((resolve) => {
      const start = () => {
        if (kind === 'unary') return client.unary({ text: 'a' }, metadata, {}, callback);
        if (kind === 'serverStream') return client.serverStream({ text: 'a' }, metadata, {});
        const call =
          kind === 'bidi' ? client.bidi(metadata, {}) : client.clientStream(metadata, {}, callback);
        call.end({ text: 'a' });
        return call;
      };
      const call: NodeJS.EventEmitter & { cancel(): void } = start();
      for (const name of ['metadata', 'data', 'error', 'status', 'end']) call.on(name, () => note(name));
      call.on('status', () => resolve());
      giveUp = () => {
        resolve();
        call.cancel();
      };
    });
    await over;
    const seenSoFar = [...events];
    await quiet();
    return { events: seenSoFar, errors: errors.slice(before) };
  }

  const EVENTS = ['metadata', 'data', 'callback', 'error', 'status', 'end'];
  describe.each(['no chain', 'a chain that declines'])('with %s,', (chain) => {
    it.each(KINDS)('sees of a %s call what it would see without a guard', async (kind) => {
      const { guard, plain, client, server } = await setUp(perMethod(), chain);
      const errors = uncaughtErrors(closers);
      for (const answer of ['OK', 'failure']) {
        if (answer === 'failure') {
          const failure = { code: status.UNAVAILABLE, details: 'down' };
          server.handlers.unary = (_call, callback) => callback(failure);
          server.handlers.clientStream = (_call, callback) => callback(failure);
          server.handlers.serverStream = (call) => call.emit('error', failure);
          server.handlers.bidi = (call) => call.emit('error', failure);
        }
        for (const event of EVENTS) {
          const expected = await seen(plain, kind, event, errors);
          expect([answer, event, await seen(client, kind, event, errors)]).toEqual([answer, event, expected]);
        }
      }
      expect(unsettled(guard)).toEqual([]);
    });
  });
});
