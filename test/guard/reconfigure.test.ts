import { status } from '@grpc/grpc-js';
import {
  type Circuit,
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  failureRate,
  type Guard,
  type GuardOptions,
  perKey,
  perMethod,
  slowRate,
} from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import {
  callUnary,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../support/echo-service.js';

const closers = closedAfterEach();
const METHOD = '/pkg.Service/Method';
const trip = (failures: number) => ({ trip: [consecutiveFailures({ failures })] });
const perText = perKey(({ request }) => (request as Message | undefined)?.text);

function call(circuit: Circuit, outcome: 'success' | 'failure', times = 1): void {
  for (let n = 0; n < times; n++) {
    const permit = circuit.acquire();
    if (permit.admitted) permit.settle(outcome, 1);
  }
}

/** How many failures open a circuit that has none yet. */
function failuresToOpen(guard: Guard, key: string): number {
  const circuit = guard.circuit(key);
  let failures = 0;
  for (; circuit.state === 'closed' && failures < 1000; failures++) call(circuit, 'failure');
  return failures;
}

describe('guard.reconfigure', () => {
  it('applies to present and future circuits, in every method', () => {
    const guard = createGuard({ circuit: trip(2), methods: [{ match: '/a.B/C', circuit: trip(4) }] });
    for (const key of [METHOD, '/a.B/C']) guard.circuit(`${key}#old`);
    guard.reconfigure({ circuit: trip(7), methods: [{ match: '/a.B/C', circuit: trip(9) }] });
    const keys = [`${METHOD}#old`, `${METHOD}#new`, '/a.B/C#old', '/a.B/C#new'];
    expect(keys.map((key) => failuresToOpen(guard, key))).toEqual([7, 7, 9, 9]);
  });

  it('gives an option that is left out its default again', () => {
    const guard = createGuard({ circuit: { ...trip(2), mode: 'observe' } });
    const old = guard.circuit(METHOD);
    guard.reconfigure({});
    expect([old.mode, guard.circuit(`${METHOD}#new`).mode]).toEqual(['enforce', 'enforce']);
    expect([METHOD, `${METHOD}#new`].map((key) => failuresToOpen(guard, key))).toEqual([5, 5]);
  });

  it('keeps state and counts; a window whose shape changes starts empty', () => {
    const clock = new ManualClock(1_000);
    const guard = createGuard({ clock, circuit: { ...trip(3), open: { baseMs: 500, jitter: 'none' } } });
    const [open, healthy] = [guard.circuit(`${METHOD}#open`), guard.circuit(`${METHOD}#healthy`)];
    call(open, 'failure', 3);
    call(healthy, 'success', 20);
    guard.reconfigure({ circuit: trip(4) });
    expect(open.snapshot()).toMatchObject({ state: 'open', openUntilMs: 1_500, openings: 1 });
    expect(healthy.snapshot().window.calls).toBe(20);
    guard.reconfigure({ circuit: { ...trip(4), window: { type: 'count', size: 50 } } });
    expect(healthy.snapshot()).toMatchObject({ window: { calls: 0 }, totals: { outcomes: { success: 20 } } });
  });

  it.each<[string, GuardOptions, RegExp]>([
    ['an option that is none', { circuits: {} } as GuardOptions, /^options\.circuits: expected one of/],
    ['an option of the guard itself', { maxCircuits: 5 }, /^options\.maxCircuits: expected one of/],
    ['a bad option', { circuit: { open: { baseMs: -1 } } }, /^options\.circuit\.open\.baseMs/],
    [
      'a bad option of a method',
      { circuit: trip(9), methods: [{ match: 'a.B', circuit: { mode: 'on' as 'off' } }] },
      /^options\.methods\[0\]\.circuit\.mode/,
    ],
    [
      'options that do not go together, of two rules',
      {
        methods: [
          { match: '*', circuit: { window: { type: 'count', size: 10 } } },
          { match: METHOD, circuit: { trip: [failureRate({ threshold: 1, minimumCalls: 20 })] } },
        ],
      },
      /^options\.methods\[1\]\.circuit\.trip\[0\]\.minimumCalls/,
    ],
    ['a throttle', { circuit: { throttle: {} } }, /^options\.circuit\.throttle: expected no throttle/],
    [
      'a throttle for one method',
      { circuit: trip(9), methods: [{ match: METHOD, circuit: { throttle: {} } }] },
      /^options\.methods\[0\]\.circuit\.throttle: expected no throttle/,
    ],
  ])('refuses %s, and changes nothing', (_what, settings, message) => {
    const guard = createGuard({ circuit: trip(2) });
    guard.circuit('/a.B/C');
    guard.circuit(METHOD);
    expect(() => guard.reconfigure(settings)).toThrow(message);
    expect(['/a.B/C', METHOD, '/a.B/D'].map((key) => failuresToOpen(guard, key))).toEqual([2, 2, 2]);
  });

  it('makes throttles for keys without a circuit', () => {
    const guard = createGuard();
    guard.circuit('/a.B/C');
    guard.reconfigure({ methods: [{ match: METHOD, circuit: { throttle: {} } }] });
    call(guard.circuit(METHOD), 'failure', 50);
    expect(guard.circuit(METHOD).state).toBe('closed');
    expect(() => guard.reconfigure({})).toThrow(/^options\.circuit\.throttle: expected a throttle/);
  });

  describe('a mode set by hand stays', () => {
    it('on one circuit', () => {
      const guard = createGuard();
      const circuit = guard.circuit(METHOD);
      circuit.mode = 'off';
      guard.reconfigure({ circuit: trip(2) });
      expect([circuit.mode, guard.circuit('/a.B/C').mode]).toEqual(['off', 'enforce']);
      guard.reconfigure({ circuit: { ...trip(2), mode: 'observe' } });
      expect(circuit.mode).toBe('observe');
    });

    it('on all of them', () => {
      const guard = createGuard();
      const circuit = guard.circuit(METHOD);
      guard.setMode('off');
      guard.reconfigure({ circuit: { ...trip(2), mode: 'observe' } });
      expect([circuit.mode, guard.circuit('/a.B/C').mode]).toEqual(['off', 'off']);
    });

    it('and a circuit that is not set by hand is not held', () => {
      const guard = createGuard({ maxCircuits: 10, circuit: { mode: 'observe' } });
      guard.circuit(METHOD);
      guard.reconfigure({});
      for (let n = 0; n < 100; n++) guard.circuit(METHOD, `model-${n}`);
      expect(guard.snapshots()).toHaveLength(10);
    });
  });

  describe('parents', () => {
    const models = ['a', 'b'];
    const keys = (guard: Guard) => guard.snapshots().map(({ circuitKey: key }) => key);

    it('are added, also above existing circuits', async () => {
      const { guard, client, server } = await setUp({ keyBy: perText, circuit: trip(50) });
      server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
      for (const model of models) await callUnary(client, model);
      guard.reconfigure({ keyBy: perText, circuit: trip(50), parentCircuit: trip(4) });
      expect(keys(guard)).toContain(echoService.unary.path);
      for (const model of [...models, ...models]) await callUnary(client, model);
      expect(circuitRejectionOf((await callUnary(client, 'a')).error)?.circuitKey).toBe(
        echoService.unary.path,
      );
    });

    it('are removed, and leave a circuit with the rules of the method', async () => {
      const settings = { keyBy: perText, circuit: trip(50) };
      const { guard, client, server } = await setUp({ ...settings, parentCircuit: trip(4) });
      for (const model of models) await callUnary(client, model);
      guard.reconfigure(settings);
      server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
      for (let n = 0; n < 10; n++) for (const model of models) await callUnary(client, model);
      expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({ state: 'closed' });
      expect(guard.circuit(echoService.unary, 'a').snapshot().consecutiveFailures).toBe(10);
    });

    it('leave no circuit behind where there is room for one only', () => {
      const guard = createGuard({ maxCircuits: 1, keyBy: perText });
      guard.circuit(METHOD, 'a');
      guard.reconfigure({ keyBy: perText, parentCircuit: true });
      for (let n = 0; n < 10; n++) guard.circuit('/a.B/C', `model-${n}`);
      guard.reconfigure({ keyBy: perText });
      guard.circuit('/a.B/D');
      guard.circuit('/a.B/E');
      expect(keys(guard)).toEqual(['/a.B/E']);
    });
  });

  it("holds for the next call, also for settings beside the circuit's", async () => {
    const { guard, client, server } = await setUp({ keyBy: perMethod() });
    await callUnary(client, 'a');
    guard.reconfigure({ keyBy: perText, methods: [{ match: '/other.Service/*', guard: false }] });
    await callUnary(client, 'a');
    expect(guard.snapshots().map(({ circuitKey: key }) => key)).toEqual([
      '/test.Echo/Unary',
      '/test.Echo/Unary#a',
    ]);
    guard.reconfigure({ guard: false });
    await callUnary(client, 'b');
    expect(guard.snapshots()).toHaveLength(2);
    expect(server.calls.count).toBe(3);
  });

  it('a call in flight ends under the settings that it began with', async () => {
    const { guard, client, server } = await setUp({ circuit: trip(2) });
    let finish = () => {};
    server.handlers.unary = (_call, callback) => {
      finish = () => callback({ code: status.UNAVAILABLE });
    };
    const ended = callUnary(client, 'a');
    await expect.poll(() => server.calls.count).toBe(1);
    guard.reconfigure({
      circuit: {
        trip: [
          consecutiveFailures({ failures: 1 }),
          slowRate({ threshold: 1, slowThresholdMs: 1, minimumCalls: 5 }),
        ],
      },
      classify: { table: { [status.UNAVAILABLE]: 'ignored' } },
    });
    finish();
    expect((await ended).error?.code).toBe(status.UNAVAILABLE);
    // the outcome is that of the old classifier, what it does to the circuit that of the new rules
    expect(guard.circuit(echoService.unary).snapshot()).toMatchObject({
      state: 'open',
      inFlight: 0,
      totals: { outcomes: { failure: 1 } },
    });
  });

  it('is an error if the engine does not support it', () => {
    const guard = createGuard({ engine: opossumEngine() });
    expect(() => guard.reconfigure({})).toThrow(expect.objectContaining({ code: 'FAILSOFT_UNSUPPORTED' }));
  });

  async function setUp(options: GuardOptions) {
    const server = await startEchoServer();
    const guard = createGuard({ clock: new ManualClock(), ...options });
    const client = echoClient(server.address, { interceptors: [guard.interceptor] });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    return { server, guard, client };
  }
});
