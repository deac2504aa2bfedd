import { seededRandom } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';

import { type CallScript, runScript, ScriptedServer } from '../support/call-script.js';
import { closedAfterEach } from '../support/closers.js';
import { echoClient, startEchoServer } from '../support/echo-service.js';
import { INVISIBLE, KEYS } from '../support/guard-variants.js';
import { inFull } from '../support/long.js';
import { runs, SEED } from '../support/properties.js';
import { randomScript } from '../support/random-script.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/** Per variant and key, of which there are six. */
const RUNS = runs(inFull(500, 60));
const LANES = 16;

const closers = closedAfterEach();

/** Whether a call ends before its first message could tell its key, so that no circuit hears of it. */
const neverMade = ({ kind, client }: CallScript) =>
  (kind === 'clientStream' || kind === 'bidi') && client[0]?.do === 'cancel';

/** Two clients of one server, one of them guarded, over a connection each that can be broken. */
async function lane(scripted: ScriptedServer, port: number, interceptor: object) {
  const proxies = [await startTcpProxy(port), await startTcpProxy(port)] as const;
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const plain = echoClient(proxies[0].address, options);
  const guarded = echoClient(proxies[1].address, { ...options, ...interceptor });
  closers.push(
    ...proxies.map((proxy) => () => proxy.close()),
    () => plain.close(),
    () => guarded.close(),
  );
  return async (script: CallScript) => {
    const breaks = script.client.some((step) => step.do === 'drop');
    const [without, withGuard] = await Promise.all([
      runScript(plain, scripted, script, { drop: proxies[0].drop }),
      runScript(guarded, scripted, script, { drop: proxies[1].drop }),
    ]);
    // The ports of two clients differ; so may, after an error, how far a write got.
    const comparable = ({ events, written, code }: typeof without) => ({
      events: events.map((event) =>
        event
          .replace(/ from 127\.0\.0\.1:\d+$/, '')
          // Before 1.13, grpc-js called a broken connection the one or the other, as it happened to find out.
          .replace(/^(error|status) (14|1 "Call cancelled").*/, breaks ? '$1 of a broken connection' : '$&'),
      ),
      written: code === 0 ? written : undefined,
    });
    return [comparable(without), comparable(withGuard)] as const;
  };
}

describe.each(Object.entries(INVISIBLE))('with %s', (_variant, makeGuard) => {
  it.each(Object.entries(KEYS))(
    'keyed %s, random calls end as they do without',
    async (keyed, keyBy) => {
      const scripted = new ScriptedServer();
      const server = await startEchoServer(scripted.handlers);
      const guard = makeGuard(keyBy);
      closers.push(
        () => guard.close(),
        () => server.close(),
      );
      let next = 0;
      let unmade = 0;
      const work = async () => {
        const run = await lane(scripted, server.port, { interceptors: [guard.interceptor] });
        while (next < RUNS) {
          const index = next++;
          const script = randomScript(seededRandom(SEED + index * 7_919));
          if (keyed !== 'per method' && neverMade(script)) unmade++;
          const [without, guarded] = await run(script);
          expect(guarded, `seed ${SEED}, run ${index}: ${JSON.stringify(script)}`).toEqual(without);
        }
      };
      await Promise.all(Array.from({ length: LANES }, work));

      let calls = 0;
      for (const { circuitKey: key, inFlight, totals } of guard.snapshots()) {
        expect({ key, inFlight }).toEqual({ key, inFlight: 0 });
        const settled = Object.values(totals.outcomes).reduce((sum, count) => sum + count, totals.stale);
        expect({ key, settled }).toEqual({ key, settled: totals.admitted });
        calls += Object.values(totals.rejected).reduce((sum, count) => sum + count, totals.admitted);
      }
      expect(calls).toBe(RUNS - unmade);
    },
    60_000 + RUNS * 500,
  );
});
