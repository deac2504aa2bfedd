import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind } from '../support/call-script.js';
import { closedAfterEach } from '../support/closers.js';
import { compiled } from '../support/compiled.js';
import { echoClient, startEchoServer } from '../support/echo-service.js';
import { callOnce, type Told } from '../support/every-kind.js';
import { createGuard, openFor, tripAfter } from '../support/guard.js';
import { inFull } from '../support/long.js';
import { OWN_HOST } from '../support/own-host.js';

const closers = closedAfterEach();
const run = promisify(execFile);

const ROUNDS = inFull(20, 5);
const CALLS_PER_ROUND = 500;

describe('a server that is killed and restarted', () => {
  it(`${ROUNDS} times, leaves each of ${ROUNDS * CALLS_PER_ROUND} calls one answer and one outcome`, async () => {
    let server = await startEchoServer({}, { host: OWN_HOST });
    const guard = createGuard({
      circuit: { ...tripAfter(5), ...openFor(1) },
    });
    const client = echoClient(server.address, {
      interceptors: [guard.interceptor],
      'grpc.initial_reconnect_backoff_ms': 10,
      'grpc.max_reconnect_backoff_ms': 20,
    });
    closers.push(
      () => server.close(),
      () => client.close(),
      () => guard.close(),
    );
    const told: Told[] = [];
    const some = async (count: number) => {
      const kinds = Array.from({ length: count }, (_, index) => KINDS[index % KINDS.length] ?? 'unary');
      told.push(...(await Promise.all(kinds.map((kind) => callOnce(client, kind, 'a')))));
    };
    let extra = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await some(CALLS_PER_ROUND / 4);
      const inMidCall = some(CALLS_PER_ROUND / 4);
      await new Promise((resolve) => setImmediate(resolve));
      server.close();
      await inMidCall;
      await some(CALLS_PER_ROUND / 4);
      const restarting = some(CALLS_PER_ROUND / 4);
      server = await startEchoServer({}, { host: OWN_HOST, port: server.port });
      await restarting;
      for (const kind of KINDS) {
        // Until the circuit has closed again, so that the next round begins with calls that reach the server.
        while (guard.circuit(`/test.Echo/${kind[0]?.toUpperCase()}${kind.slice(1)}`).state !== 'closed') {
          told.push(await callOnce(client, kind, 'a'));
          extra++;
        }
      }
    }
    expect(told).toHaveLength(ROUNDS * CALLS_PER_ROUND + extra);
    const hasCallback = (kind: Kind) => kind === 'unary' || kind === 'clientStream';
    const notOnce = told.filter(
      ({ kind, callbacks, statuses }) => statuses !== 1 || callbacks !== (hasCallback(kind) ? 1 : 0),
    );
    expect(notOnce).toEqual([]);

    const snapshots = guard.snapshots();
    expect(snapshots).toHaveLength(4);
    let asked = 0;
    for (const { circuitKey: key, inFlight, totals } of snapshots) {
      const outcomes = Object.values(totals.outcomes).reduce((sum, count) => sum + count, totals.stale);
      expect({ key, inFlight, outcomes }).toEqual({ key, inFlight: 0, outcomes: totals.admitted });
      expect(totals.outcomes.success).toBeGreaterThan(ROUNDS);
      expect(totals.opened).toBeGreaterThan(0);
      asked += Object.values(totals.rejected).reduce((sum, count) => sum + count, totals.admitted);
    }
    expect(asked).toBe(told.length);
  }, 300_000);
});

describe('1,000 rejected calls with deadlines in a minute', () => {
  it('leave nothing behind that keeps the process alive', async () => {
    const child = compiled('test/call/endurance-child.ts');
    // Killed, and so an error, where it does not end by itself.
    const { stdout } = await run(process.execPath, [child], { timeout: 50_000 });
    expect(JSON.parse(stdout)).toEqual({
      codes: { 'unary 0': 250, 'clientStream 14': 250, 'serverStream 14': 250, 'bidi 14': 250 },
      timers: 0,
      inFlight: 0,
    });
  });
});
