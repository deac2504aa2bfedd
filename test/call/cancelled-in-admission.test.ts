import { type InterceptingCall, type InterceptorOptions, Metadata, status } from '@grpc/grpc-js';
import { type GuardOptions, perKey, perMethod } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { echoService } from '../support/echo-service.js';
import { openFor, tripAfter } from '../support/guard.js';
import { startGuard } from '../support/guarded-client.js';

const closers = closedAfterEach();

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A call that begins when the open time of its circuit has just passed, with everything that its caller gets. */
function startProbe(keyBy: GuardOptions['keyBy'] & object, cancel: (call: InterceptingCall) => void) {
  const clock = new ManualClock();
  const guard = startGuard(closers, { clock, keyBy, circuit: { ...tripAfter(1), ...openFor(1_000) } });
  const circuit = guard.circuit(echoService.unary);
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle('failure', 1);
  expect(circuit.state).toBe('open');
  clock.advance(10_000);
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
