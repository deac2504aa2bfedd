import { AsyncLocalStorage } from 'node:async_hooks';
import { InterceptingCall, type Interceptor, Metadata } from '@grpc/grpc-js';
import { FallbackRegistry, type FallbackStrategy, type KeyBy, perKey, perMethod } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../../support/call-script.js';
import { closedAfterEach } from '../../support/closers.js';
import {
  type EchoClient,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';

const closers = closedAfterEach();
const tenants = new AsyncLocalStorage<string>();
const TENANTS = ['alice', 'bob', 'carol', 'dave'];

type Strategy = FallbackStrategy<Message, Message>;

const byText = perKey(({ request }) => (request as Message | undefined)?.text);

/** Has a message go on some turns later, as one that signs it does. */
const late: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    sendMessage: (message, next) => setImmediate(next, message),
  });

/** What an interceptor, or a strategy, finds: whose call it is, and in whose context it runs. */
type Found = (readonly [place: string, ofCall: unknown, inContext: unknown])[];

function reading(found: Found): Interceptor {
  return (options, nextCall) => {
    let tenant: unknown;
    const note = (place: string) => found.push([place, tenant, tenants.getStore()]);
    const inFactory = tenants.getStore();
    return new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        tenant = metadata.get('tenant')[0];
        found.push(['factory', tenant, inFactory]);
        note('start');
        next(metadata, listener);
      },
      sendMessage: (message, next) => {
        note('sendMessage');
        next(message);
      },
    });
  };
}

/** A call of a kind; its caller sends in a later turn where it can. */
function call(client: EchoClient, kind: Kind, tenant: string): Promise<void> {
  const metadata = new Metadata();
  metadata.set('tenant', tenant);
  const message = { text: `of ${tenant}` };
  return new Promise((resolve) => {
    const done = () => resolve();
    switch (kind) {
      case 'unary':
        return void client.unary(message, metadata, {}, done);
      case 'serverStream':
        return void client
          .serverStream(message, metadata, {})
          .on('data', () => undefined)
          .on('error', () => undefined)
          .on('status', done);
      case 'clientStream': {
        const stream = client.clientStream(metadata, {}, done);
        return void setImmediate(() => stream.end(message));
      }
      case 'bidi': {
        const stream = client.bidi(metadata, {});
        stream
          .on('data', () => undefined)
          .on('error', () => undefined)
          .on('status', done);
        setImmediate(() => stream.end(message));
      }
    }
  });
}

/** Makes a call for each tenant, all in one turn, each in a context of its own. */
const callForAll = (client: EchoClient, kind: Kind) =>
  Promise.all(TENANTS.map((tenant) => tenants.run(tenant, () => call(client, kind, tenant))));

const foreign = (found: Found) => found.filter(([, ofCall, inContext]) => ofCall !== inContext);

describe.each<[string, KeyBy]>([
  ['method', perMethod()],
  ['request', byText],
])('calls made in one turn, with circuits per %s,', (_keys, keyBy) => {
  describe.each<[string, Interceptor[]]>([
    ['at once', []],
    ['late', [late]],
  ])('whose messages come %s,', (_when, before) => {
    it.each(KINDS)('run in their own async context behind the guard (%s)', async (kind) => {
      const server = await startEchoServer();
      const found: Found = [];
      const guard = createGuard({ keyBy, circuit: neverTrip() });
      const interceptors = [...before, guard.interceptor, reading(found)];
      const client = echoClient(server.address, { interceptors });
      closers.push(
        () => server.close(),
        () => client.close(),
        () => guard.close(),
      );
      await callForAll(client, kind);
      expect(found.filter(([place]) => place === 'start')).toHaveLength(TENANTS.length);
      expect(foreign(found)).toEqual([]);
    });

    it.each(KINDS)('have their chain asked in their own async context (%s)', async (kind) => {
      const server = await startEchoServer();
      const found: Found = [];
      const asked: Strategy = {
        name: 'default',
        answer: ({ metadata }) => {
          found.push(['strategy', metadata.get('tenant')[0], tenants.getStore()]);
          return { message: { text: 'fallback' }, source: 'default' };
        },
      };
      const fallbacks = new FallbackRegistry().register(echoService[kind], [asked]);
      const guard = createGuard({ keyBy, fallbacks });
      const client = echoClient(server.address, { interceptors: [...before, guard.interceptor] });
      closers.push(
        () => server.close(),
        () => client.close(),
        () => guard.close(),
      );
      for (const part of ['', ...TENANTS.map((tenant) => `of ${tenant}`)])
        guard.circuit(echoService[kind], part).isolate();
      await callForAll(client, kind);
      expect(found).toHaveLength(TENANTS.length);
      expect(foreign(found)).toEqual([]);
    });
  });
});
