import {
  type ClientWritableStream,
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  Metadata,
  status,
} from '@grpc/grpc-js';
import { type Guard, type GuardOptions, perKey, perMethod } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoService, type Message, ready } from '../support/echo-service.js';
import { openFor, tripAfter } from '../support/guard.js';
import { startGuard, startGuarded } from '../support/guarded-client.js';

const closers = closedAfterEach();

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A call that begins when the open time of its circuit has just passed, with everything that its caller gets. */
function startProbe(
  keyBy: GuardOptions['keyBy'] & object,
  cancel: (call: InterceptingCall) => void,
  prepare: (guard: Guard) => void = () => {},
) {
  const clock = new ManualClock();
  const guard = startGuard(closers, { clock, keyBy, circuit: { ...tripAfter(1), ...openFor(1_000) } });
  const circuit = guard.circuit(echoService.unary);
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
  expect(circuit.state).toBe('open');
  clock.advance(10_000);
  prepare(guard);
  const made: string[] = [];
  const options = { method_definition: echoService.unary } as unknown as InterceptorOptions;
  const call = guard.interceptor(options, () => {
    made.push('a real call');
    throw new Error('must not be made');
  });
  guard.on('transition', ({ to }) => {
    if (to === 'half-open') cancel(call);
  });
  const events: string[] = [];
  call.start(new Metadata(), {
    onReceiveMessage: (message) => events.push(`message ${message}`),
    onReceiveStatus: ({ code }) => events.push(`status ${status[code]}`),
  });
  call.sendMessageWithContext({}, { text: 'a' });
  call.halfClose();
  return { guard, circuit, events, made };
}

describe('a call that a listener cancels while the call is admitted', () => {
  it('ends for its observers', async () => {
    const ended: string[] = [];
    const { guard } = startProbe(
      perMethod(),
      (call) => call.cancelWithStatus(status.CANCELLED, 'gone'),
      (made) =>
        made.observe(() => ({ onEnd: ({ outcome, status: code }) => ended.push(`${outcome} ${code}`) })),
    );
    await turn();
    expect(ended).toEqual(['ignored 1']);
    expect(guard.answers()).toEqual([]);
  });

  it.each([
    ['at its start', perMethod()],
    ['at its message', perKey(() => undefined)],
  ])('is not made, ends once, and gives its probe back (%s)', async (_when, keyBy) => {
    const { circuit, events, made } = startProbe(keyBy, (call) =>
      call.cancelWithStatus(status.CANCELLED, 'gone'),
    );
    await turn();
    await turn();
    expect(made).toEqual([]);
    expect(events).toEqual(['message null', 'status CANCELLED']);
    expect(circuit.snapshot()).toMatchObject({ state: 'half-open', inFlight: 0 });
    expect(circuit.acquire()).toMatchObject({ admitted: true, probe: true });
  });
});

/** A client of a server whose circuit becomes half-open with the next call. A listener of this transition uses the call. */
async function startStream(
  keyBy: GuardOptions['keyBy'] & object,
  interceptors: (guard: Interceptor) => Interceptor[],
) {
  const clock = new ManualClock();
  const options = { clock, keyBy, circuit: { ...tripAfter(1), ...openFor(1_000) } };
  const { server, guard, client } = await startGuarded(closers, options, ({ interceptor }) =>
    interceptors(interceptor),
  );
  await ready(client);
  const circuit = guard.circuit(echoService.clientStream);
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
  clock.advance(10_000);
  const events: string[] = [];
  /** Makes the call, and waits for its status. */
  const run = (use: (stream: ClientWritableStream<Message>) => void) =>
    new Promise<void>((resolve) => {
      guard.on('transition', ({ to }) => {
        if (to === 'half-open') use(stream);
      });
      const stream = client.clientStream(new Metadata(), {}, (error, value) =>
        events.push(error ? `error ${error.code}` : `value ${value?.text}`),
      );
      stream.on('error', () => {});
      stream.on('status', () => resolve());
    });
  return { server, circuit, events, run };
}

/** Starts the call only in the next turn, when its caller already has the stream. */
const startingLate: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start: (metadata, listener, next) => setImmediate(next, metadata, listener),
  });

describe('a stream that a listener uses while the stream is admitted', () => {
  it.each<[string, GuardOptions['keyBy'] & object, (guard: Interceptor) => Interceptor[]]>([
    ['that waits for its message', perKey(() => undefined), (guard) => [guard]],
    ['that an interceptor starts late', perMethod(), (guard) => [startingLate, guard]],
  ])('%s sends everything once, and ends once', async (_which, keyBy, interceptors) => {
    const ended = await startStream(keyBy, interceptors);
    await ended.run((stream) => stream.end());
    expect(ended.events).toEqual(['value echo ']);
    const written = await startStream(keyBy, interceptors);
    const calledBack: string[] = [];
    await written.run((stream) => {
      stream.write({ text: 'a' }, () => calledBack.push('a'));
      stream.end({ text: 'b' });
    });
    expect(written.events).toEqual(['value echo a+b']);
    expect(calledBack).toEqual(['a']);
    for (const { server, circuit } of [ended, written]) {
      expect(server.calls.count).toBe(1);
      expect(circuit.snapshot()).toMatchObject({ state: 'closed', inFlight: 0 });
    }
  });

  it('and cancels gets its writers called back', async () => {
    const { server, events, run, circuit } = await startStream(
      perKey(() => undefined),
      (guard) => [guard],
    );
    const calledBack: string[] = [];
    await run((stream) => {
      stream.write({ text: 'a' }, () => calledBack.push('a'));
      stream.cancel();
    });
    expect(events).toEqual(['error 1']);
    await expect.poll(() => calledBack).toEqual(['a']);
    expect(server.calls.count).toBe(0);
    expect(circuit.snapshot()).toMatchObject({ state: 'half-open', inFlight: 0 });
  });
});

it('a call that an interceptor behind the guard cancels when it is made ends once, and does not go on', async () => {
  let cancel = () => {};
  const cancelling: Interceptor = (options, nextCall) => {
    cancel();
    return new InterceptingCall(nextCall(options));
  };
  const { server, guard, client } = await startGuarded(
    closers,
    { keyBy: perKey(() => undefined) },
    ({ interceptor }) => [interceptor, cancelling],
  );
  const statuses: number[] = [];
  await new Promise<void>((resolve) => {
    const stream = client.clientStream(new Metadata(), {}, () => {});
    cancel = () => stream.cancel();
    stream.on('error', () => {});
    stream.on('status', ({ code }) => {
      statuses.push(code);
      resolve();
    });
  });
  cancel = () => {};
  expect((await callUnary(client, 'later')).value?.text).toBe('echo later');
  expect(statuses).toEqual([status.CANCELLED]);
  expect(server.calls.count).toBe(1);
  expect(guard.snapshots().map(({ inFlight }) => inFlight)).toEqual([0, 0]);
});

describe('guard.call() whose signal a listener aborts while the call is admitted', () => {
  it.each(['call', 'callStream'] as const)('%s() makes no call, and gives the probe back', async (how) => {
    const clock = new ManualClock();
    const guard = startGuard(closers, { clock, circuit: { ...tripAfter(1), ...openFor(1_000) } });
    const path = '/a.B/C';
    const circuit = guard.circuit(path);
    const permit = circuit.acquire();
    if (permit.admitted) permit.settle('failure', 1);
    clock.advance(10_000);
    const controller = new AbortController();
    guard.on('transition', () => controller.abort(new Error('gone')));
    const { signal } = controller;
    const never = () => expect.fail('must not be called');
    const run = async () => {
      if (how === 'call') return guard.call({ path }, 'q', never, { signal });
      for await (const _ of guard.callStream({ path, responseStream: true }, 'q', never, { signal }));
      return undefined;
    };
    await expect(run()).rejects.toThrow('gone');
    expect(circuit.snapshot()).toMatchObject({ state: 'half-open', inFlight: 0 });
    expect(circuit.acquire()).toMatchObject({ admitted: true, probe: true });
  });
});
