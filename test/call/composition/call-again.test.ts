import {
  type CallOptions,
  InterceptingCall,
  type InterceptingListener,
  type Interceptor,
  type InterceptorOptions,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { GuardOptions } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { createGuard, neverTrip } from '../../support/guard.js';
import { decliningFallbacks } from '../../support/guard-variants.js';

const closers = closedAfterEach();

/** Makes a unary call that failed once more, with the same options, as gRFC L5's retry interceptor does. */
const again =
  (seen: InterceptorOptions[]): Interceptor =>
  (options, nextCall) => {
    seen.push({ ...options });
    let began = new Metadata();
    let sent: unknown;
    return new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        began = metadata;
        let answer: unknown = null;
        const end = (ended: StatusObject) => {
          listener.onReceiveMessage(answer);
          listener.onReceiveStatus(ended);
        };
        const hearing = (onReceiveStatus: (ended: StatusObject) => void): InterceptingListener => ({
          onReceiveMetadata: (_headers) => undefined,
          onReceiveMessage: (message: unknown) => {
            answer = message;
          },
          onReceiveStatus,
        });
        const first = hearing((ended) => {
          if (ended.code === status.OK) return end(ended);
          seen.push({ ...options });
          const second = nextCall(options);
          second.start(began, hearing(end));
          second.sendMessage(sent);
          second.halfClose();
        });
        next(metadata, first);
      },
      sendMessage: (message, next) => {
        sent = message;
        next(message);
      },
    });
  };

async function callTwice(settings: GuardOptions, callOptions: CallOptions) {
  const leftMs: number[] = [];
  const server = await startEchoServer({
    unary: (call, callback) => {
      leftMs.push(Number(call.getDeadline()) - Date.now());
      callback({ code: status.UNAVAILABLE, details: 'down' });
    },
  });
  const guard = createGuard({ circuit: neverTrip(), fallbacks: decliningFallbacks(), ...settings });
  const seen: InterceptorOptions[] = [];
  const client = echoClient(server.address, { interceptors: [again(seen), guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  const { events } = await callUnary(client, 'a', callOptions);
  expect(events).toEqual(['error 14', 'status 14']);
  expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
    inFlight: 0,
    totals: { admitted: 2, outcomes: { failure: 2 } },
  });
  return { leftMs, seen };
}

describe('an interceptor before the guard that makes a call again with the same options', () => {
  it.each<[string, GuardOptions, () => CallOptions]>([
    ['its own', {}, () => ({ deadline: Date.now() + 10_000_000 })],
    ['the default one', { defaultDeadlineMs: 10_000_000 }, () => ({})],
  ])('keeps the same time for fallbacks both times (deadline: %s)', async (_whose, settings, options) => {
    const { leftMs } = await callTwice({ fallbackReserveMs: 4_000_000, ...settings }, options());
    expect(leftMs.map((ms) => Math.round(ms / 1_000_000))).toEqual([6, 6]);
  });

  it('finds its options as they were', async () => {
    const { seen } = await callTwice({ defaultDeadlineMs: 10_000_000 }, {});
    expect(seen.map(({ deadline }) => deadline)).toEqual([undefined, undefined]);
  });
});

it('counts a call once for each of two guards that stand in the list twice', async () => {
  const server = await startEchoServer();
  const guards = [createGuard({ circuit: neverTrip() }), createGuard({ circuit: neverTrip() })] as const;
  const interceptors = guards.map(({ interceptor }) => interceptor);
  const client = echoClient(server.address, { interceptors: [...interceptors, ...interceptors] });
  closers.push(
    () => server.close(),
    () => client.close(),
  );
  expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
  const admitted = guards.map((guard) => guard.snapshots().map(({ totals }) => totals.admitted));
  expect(admitted).toEqual([[1], [1]]);
});
