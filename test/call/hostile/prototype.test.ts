import { InterceptingCall, type Interceptor, type NextCall } from '@grpc/grpc-js';
import type { GuardOptions } from 'failsoft';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { decliningFallbacks } from '../../support/guard-variants.js';

const closers = closedAfterEach();

type Call = ReturnType<NextCall>;

/** The names that an InterceptingCall of this grpc-js has for the interceptor before it; its own helpers are none. */
const NAMES = Object.getOwnPropertyNames(InterceptingCall.prototype).filter(
  (name) => name !== 'constructor' && !name.startsWith('processPending'),
);

/** A guarded unary call as the interceptor before the guard has it, and the calls of methods behind the guard. */
async function guardedCall(options: GuardOptions, drive: (call: Call) => void) {
  const server = await startEchoServer();
  const behind: string[] = [];
  const recording: Interceptor = (callOptions, nextCall) =>
    new Proxy(new InterceptingCall(nextCall(callOptions)), {
      get: (call, name) => {
        if (name === 'later') return (text: string) => ['real', text];
        const value: unknown = Reflect.get(call, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          behind.push(String(name));
          return Reflect.apply(value, call, args);
        };
      },
    });
  const driving: Interceptor = (callOptions, nextCall) => {
    const call = nextCall(callOptions);
    drive(call);
    return new InterceptingCall(call);
  };
  const { createGuard } = await import('../../support/guard.js');
  const guard = createGuard(options);
  const client = echoClient(server.address, { interceptors: [driving, guard.interceptor, recording] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  return { client, guard, behind };
}

/** How to use each method of a running call, without ending it. */
const USES: Readonly<Record<string, (call: Call) => void>> = {
  start: () => undefined, // each call below does
  sendMessage: (call) => call.sendMessage({ text: 'more' }),
  sendMessageWithContext: (call) => call.sendMessageWithContext({}, { text: 'more' }),
  startRead: (call) => call.startRead(),
  halfClose: (call) => call.halfClose(),
  cancelWithStatus: (call) => call.cancelWithStatus(1, 'enough'),
  getPeer: (call) => void call.getPeer(),
  getAuthContext: (call) => void call.getAuthContext(),
};

/** What may come in place of a name: grpc-js's own InterceptingCall makes the one of the other. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  sendMessage: ['sendMessage', 'sendMessageWithContext'],
};

describe.each<[string, GuardOptions]>([
  ['no chain', {}],
  ['a chain', { fallbacks: decliningFallbacks() }],
])('a guarded call with %s', (_chain, options) => {
  it.each(NAMES)('passes on %s', async (name) => {
    const use = USES[name];
    expect(use, `a method of InterceptingCall that this test does not know: ${name}`).toBeDefined();
    const calls: Call[] = [];
    const { client, behind } = await guardedCall(options, (call) => calls.push(call));
    const ended = callUnary(client, 'a');
    const [call] = calls;
    if (call !== undefined) use?.(call);
    await ended;
    expect(behind).toEqual(expect.arrayContaining([expect.stringMatching((SAME[name] ?? [name]).join('|'))]));
  });
});

describe('a method that a later grpc-js adds to InterceptingCall', () => {
  afterEach(() => {
    Reflect.deleteProperty(InterceptingCall.prototype, 'later');
    vi.resetModules();
  });

  /** As grpc-js writes all of them: the next call has it, too. Behind the guard, the recorded call stands for the last. */
  function addLater() {
    vi.resetModules(); // a later grpc-js has it when failsoft is loaded
    Object.defineProperty(InterceptingCall.prototype, 'later', {
      configurable: true,
      writable: true,
      value(this: { nextCall: { later(text: string): unknown } }, text: string): unknown {
        return this.nextCall.later(text);
      },
    });
  }
  const later = (call: Call): unknown => Reflect.apply(Reflect.get(call, 'later'), call, ['text']);

  it('reaches the real call', async () => {
    addLater();
    const calls: Call[] = [];
    const { client } = await guardedCall({}, (call) => calls.push(call));
    const ended = callUnary(client, 'a');
    expect(calls.map(later)).toEqual([['real', 'text']]);
    await ended;
    expect(calls.map(later)).toEqual([['real', 'text']]);
  });

  it('does not throw where there is no real call: before the start, and of a rejected call', async () => {
    addLater();
    const seen: unknown[] = [];
    const calls: Call[] = [];
    const attempt = (call: Call) => {
      try {
        seen.push(later(call));
      } catch (error) {
        seen.push(`thrown: ${String(error)}`);
      }
    };
    const { client, guard } = await guardedCall({}, (call) => {
      calls.push(call);
      attempt(call);
    });
    using _held = guard.circuit(echoService.unary).isolate();
    const ended = callUnary(client, 'a');
    calls.forEach(attempt);
    expect((await ended).error).toBeDefined();
    calls.forEach(attempt);
    expect(seen).toHaveLength(3);
    expect(seen.filter((each) => String(each).startsWith('thrown'))).toEqual([]);
  });
});
