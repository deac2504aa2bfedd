import { Client, credentials, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { consecutiveFailures } from '../../src/circuit/index.js';
import type { RecoverySettings } from '../../src/recovery/options.js';
import { type SyntheticCircuit, SyntheticProbes } from '../../src/recovery/synthetic-probes.js';
import { bench } from '../circuit/harness.js';

const LIMIT_MS = 10_000;

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** An open circuit, and the probes of its guard. No call of the client reaches a server. */
function setUp(probeWith: unknown, given: Partial<SyntheticCircuit> = {}, interceptors: Interceptor[] = []) {
  const b = bench({
    trip: [consecutiveFailures({ failures: 1 })],
    open: { baseMs: 1000, jitter: 'none' },
  });
  b.call('failure');
  const warnings: string[] = [];
  const probes = new SyntheticProbes(b.clock, (error) => warnings.push(String(error)));
  const client = new Client('127.0.0.1:1', credentials.createInsecure(), { interceptors });
  onTestFinished(() => client.close());
  const { recovery } = b.circuit;
  if (recovery === undefined) throw new Error('no recovery');
  const settings: RecoverySettings = {
    check: false,
    intervalMs: undefined,
    timeoutMs: 1000,
    maxHoldMs: 60_000,
    probeWith,
    client: undefined,
    metadata: undefined,
  };
  const buffer = (bytes: Buffer) => bytes;
  const added: SyntheticCircuit = {
    circuitKey: b.circuit.key,
    method: '/a.B/C',
    keyPart: '',
    recovery,
    settings,
    definition: {
      path: '/a.B/C',
      requestStream: false,
      responseStream: false,
      requestSerialize: buffer,
      responseDeserialize: buffer,
    },
    client,
    limitMs: LIMIT_MS,
    settle: (permit) => {
      permit.settle('failure', 1);
      return 'evidence';
    },
    isGone: () => false,
    ...given,
  };
  const add = (isClientGiven: boolean) =>
    probes.add({ ...added, settings: { ...settings, client: isClientGiven ? client : undefined } });
  add(false);
  return { ...b, probes, warnings, add };
}

describe('callers become probes', () => {
  it('when the function that makes the request throws, at once', async () => {
    const { clock, circuit, admit, warnings } = setUp(() => {
      throw new Error('no features');
    });
    clock.advance(1000);
    await turns();
    expect(warnings).toEqual(['Error: no features']);
    expect([circuit.inFlight, clock.pendingTimers]).toEqual([0, 0]);
    expect(admit().probe).toBe(true);
  });

  it('when that function never settles, after three quarters of a second', async () => {
    const { clock, circuit, admit, reject, warnings } = setUp(() => new Promise(() => {}));
    clock.advance(1000);
    await turns();
    expect(reject().reason).toBe('HALF_OPEN');
    clock.advance(750);
    await turns();
    expect(warnings).toEqual(["Error: expected a request within 750 ms; callers' calls are the probes"]);
    expect([circuit.inFlight, clock.pendingTimers]).toEqual([0, 0]);
    expect(admit().probe).toBe(true);
  });

  it('when the call proves nothing about the server, because it would never prove anything', async () => {
    const { clock, circuit, admit } = setUp(
      {},
      {
        settle: (permit) => {
          permit.settle('ignored', 1);
          return 'nothing';
        },
      },
    );
    clock.advance(1000);
    for (let n = 0; circuit.inFlight > 0 && n < 1000; n++) await new Promise(setImmediate);
    await turns();
    expect(clock.pendingTimers).toBe(0);
    expect(admit().probe).toBe(true);
  });

  it.each([
    ['when a client of the user has no connection for ten seconds: its address may be wrong', true, 39, true],
    ['and not before', true, 38, false],
    ["and not where it is the callers' own client", false, 45, false],
  ])('%s', async (_what, isGiven, rounds, isCallers) => {
    const settle: SyntheticCircuit['settle'] = (permit) => {
      permit.settle('failure', 1, 0, { notSent: true });
      return 'not-sent';
    };
    const { clock, circuit, add } = setUp({}, { settle });
    add(isGiven);
    const ended = async () => {
      for (let n = 0; circuit.inFlight > 0 && n < 1000; n++) await new Promise(setImmediate);
      await turns();
    };
    clock.advance(1000);
    await ended();
    for (let round = 0; round < rounds; round++) {
      clock.advance(250);
      await ended();
    }
    const permit = circuit.acquire();
    expect(permit.admitted).toBe(isCallers);
    expect(permit.admitted && permit.probe).toBe(isCallers);
  });

  it('when a probe cannot be judged', async () => {
    const { clock, circuit, warnings } = setUp(
      {},
      {
        settle: () => {
          throw new Error('a bug');
        },
      },
    );
    clock.advance(1000);
    for (let n = 0; circuit.inFlight > 0 && n < 1000; n++) await new Promise(setImmediate);
    await turns();
    expect(warnings).toEqual(['Error: a bug']);
    expect(clock.pendingTimers).toBe(0);
  });
});

it('a probe on a channel without a connection has waited for it: its duration is no latency', async () => {
  const ended: boolean[] = [];
  const { clock } = setUp(
    {},
    {
      settle: (permit, { isConnecting }) => {
        ended.push(isConnecting);
        permit.settle('success', 1);
        return 'evidence';
      },
    },
  );
  clock.advance(1000);
  for (let n = 0; ended.length === 0 && n < 1000; n++) await new Promise(setImmediate);
  expect(ended).toEqual([true]);
});

it('a circuit that the guard has dropped is not probed', async () => {
  let made = 0;
  const { clock, circuit } = setUp(() => made++, { isGone: () => true });
  clock.advance(1000);
  await turns();
  expect([made, circuit.inFlight, clock.pendingTimers]).toEqual([0, 0, 0]);
});

describe('close()', () => {
  it('ends the wait for a request', async () => {
    const { clock, circuit, probes, warnings } = setUp(() => new Promise(() => {}));
    clock.advance(1000);
    await turns();
    probes.close();
    expect(clock.pendingTimers).toBe(0);
    await turns();
    expect([circuit.inFlight, warnings]).toEqual([0, []]);
  });

  it('cancels a call that goes on: it would keep the process alive', async () => {
    let cancelled = false;
    const silent: Interceptor = (options, next) =>
      new InterceptingCall(next(options), {
        start: () => undefined,
        sendMessage: () => undefined,
        halfClose: () => undefined,
        cancel: () => {
          cancelled = true;
        },
      });
    const { clock, probes } = setUp(Buffer.from('a'), {}, [silent]);
    clock.advance(1000);
    await turns();
    expect(cancelled).toBe(false);
    probes.close();
    expect(cancelled).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });
});
