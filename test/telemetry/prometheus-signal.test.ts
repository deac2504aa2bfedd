import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Clock,
  createGuard,
  type PrometheusSignal,
  type PrometheusSignalOptions,
  prometheusSignal,
  signal,
  type WarningEvent,
} from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { hasPrometheus, startPrometheus } from '../support/prometheus.js';

const closers = closedAfterEach();
/** By default an answer may take an interval, and a value is old after four: a busy machine stands still for longer than that. */
const UNHURRIED = { timeoutMs: 2_000, staleAfterMs: 600_000 };

function use(guard: ReturnType<typeof createGuard>): string {
  const circuit = guard.circuit('/a.B/C');
  const permit = circuit.acquire();
  if (permit.admitted) permit.settle('success', 1);
  return circuit.state;
}

describe('the rule signal', () => {
  it('is named in the transitions of a guard', () => {
    const guard = createGuard({ circuit: { trip: [signal({ alarm: 'backlog 900 > 500' })] } });
    closers.push(() => guard.close());
    expect(use(guard)).toBe('open');
    expect(guard.transitions()[0]).toMatchObject({ rule: 'signal', count: 1 });
  });

  it('is a rule that opossum does not support', () => {
    const circuit = { trip: [signal({ alarm: undefined })] };
    expect(() => createGuard({ engine: opossumEngine(), circuit })).toThrow(
      'engine opossum does not support signal',
    );
  });
});

/** A server that answers as the test tells it, and a signal that asks it when the test says so. */
async function setUp(options: Partial<PrometheusSignalOptions> = {}) {
  const clock = new ManualClock();
  let armed = 0;
  const timers: Clock = {
    now: () => clock.now(),
    epochMs: () => clock.epochMs(),
    setTimer: (callback, delayMs) => {
      armed++;
      return clock.setTimer(callback, delayMs);
    },
  };
  const server = createServer();
  const current: { answer: RequestListener } = { answer: (_request, response) => response.end() };
  server.on('request', (request, response) => current.answer(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const warnings: string[] = [];
  const source = prometheusSignal({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    query: 'p99',
    threshold: 0.8,
    intervalMs: 1_000,
    timeoutMs: 5_000,
    clock: timers,
    random: () => 0.5,
    onWarning: ({ error }: WarningEvent) => warnings.push(error instanceof Error ? error.message : ''),
    ...options,
  });
  closers.push(
    () => {
      server.closeAllConnections();
      server.close();
    },
    () => source.close(),
  );
  /** Lets the signal ask once, and waits until it has read the answer. */
  const ask = async (answer: RequestListener) => {
    current.answer = answer;
    const before = armed;
    clock.advance(1_000);
    await expect.poll(() => armed, { interval: 1 }).toBe(before + 1);
  };
  return { clock, source, warnings, ask, armed: () => armed };
}

const vector =
  (...values: string[]): RequestListener =>
  (_request, response) => {
    const result = values.map((value) => ({ metric: {}, value: [0, value] }));
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
  };

const raw =
  (text: string, code = 200): RequestListener =>
  (_request, response) =>
    response.writeHead(code).end(text);

describe('prometheusSignal', () => {
  it('has an alarm once the value has been above the threshold for long enough', async () => {
    const { source, ask } = await setUp({ forMs: 2_000, name: 'fleet p99' });
    const alarms: (string | undefined)[] = [];
    for (const value of ['0.8', '1.23456', '1', '2', '0.5', '2']) {
      await ask(vector(value));
      alarms.push(source.alarm);
    }
    expect(alarms).toEqual([
      undefined,
      undefined,
      undefined,
      'fleet p99 2 > 0.8 for 2 s',
      undefined,
      undefined,
    ]);
    expect(source.value).toBe(2);
  });

  it('takes a scalar too, and sends the query, the headers and the password', async () => {
    const { port } = await echoing();
    const source = prometheusSignal({
      url: `http://me:secret@127.0.0.1:${port}/prefix`,
      query: 'sum(x)',
      threshold: 1,
      intervalMs: 10,
      ...UNHURRIED,
      headers: { 'x-scope-orgid': 'team' },
    });
    closers.push(() => source.close());
    await expect.poll(() => source.value).toBe(7);
    expect(source.alarm).toMatch(/^prometheus 7 > 1 for \d s$/);

    async function echoing() {
      const server = createServer((request, response) => {
        const { authorization, 'x-scope-orgid': tenant } = request.headers;
        const isRight =
          request.url === '/prefix/api/v1/query' &&
          authorization === `Basic ${Buffer.from('me:secret').toString('base64')}` &&
          tenant === 'team';
        response.end(
          JSON.stringify({
            status: 'success',
            data: { resultType: 'scalar', result: [0, isRight ? '7' : '0'] },
          }),
        );
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      closers.push(() => {
        server.closeAllConnections();
        server.close();
      });
      return server.address() as AddressInfo;
    }
  });

  const nonsense: [string, RequestListener, RegExp][] = [
    ['NaN', vector('NaN'), /^a value that is no number: NaN$/],
    ['infinity', vector('+Inf'), /^a value that is no number: \+Inf$/],
    ['no value', vector(), /^no value: the result of the query is empty$/],
    ['several values', vector('1', '2'), /^several values/],
    ['no JSON', raw('<html>'), /^an answer that is no JSON object, with status 200$/],
    ['null', raw('null'), /^an answer that is no JSON object/],
    [
      'an error of Prometheus',
      raw('{"status":"error","error":"parse error"}', 400),
      /^status 400: parse error$/,
    ],
    [
      'a matrix',
      raw('{"status":"success","data":{"resultType":"matrix","result":[]}}'),
      /^a matrix, not one value$/,
    ],
    ['nothing', raw('{"status":"success"}'), /^a result without a type/],
    [
      'a value that is none',
      raw('{"status":"success","data":{"resultType":"scalar","result":{}}}'),
      /no number/,
    ],
    ['an endless answer', raw('x'.repeat(100_000)), /^no answer: an answer of more than 65536 characters$/],
    ['a redirect', (_request, response) => response.writeHead(302, { location: '/' }).end(), /^no answer: /],
    ['a broken connection', (request) => request.socket.destroy(), /^no answer: /],
  ];
  it.each(nonsense)('changes nothing at %s, and reports it once', async (_name, answer, message) => {
    const { source, warnings, ask } = await setUp();
    await ask(vector('2'));
    const { alarm } = source;
    expect(alarm).toBeDefined();
    await ask(answer);
    await ask(answer);
    expect(source.alarm).toBe(alarm);
    expect(source.value).toBe(2);
    expect(source.trouble).toMatch(message);
    expect(warnings).toEqual([expect.stringMatching(message)]);
    await ask(vector('0.1'));
    expect([source.alarm, source.trouble]).toEqual([undefined, undefined]);
    await ask(answer);
    expect(warnings).toHaveLength(2);
  });

  it('gives up an answer that is too slow', async () => {
    const { source, ask } = await setUp({ timeoutMs: 20 });
    await ask(() => undefined);
    expect(source.trouble).toBe('no answer in 20 ms');
  });

  it('has no alarm once the last value is too old, and begins anew after that', async () => {
    const { clock, source, ask } = await setUp({ staleAfterMs: 5_000, forMs: 1_000 });
    await ask(vector('2'));
    await ask(vector('2'));
    expect(source.alarm).toBeDefined();
    clock.advance(5_001);
    expect(source.alarm).toBeUndefined();
    await ask(vector('2'));
    expect(source.alarm).toBeUndefined();
  });

  it('queries no more when it is closed', async () => {
    const { clock, source, ask, armed } = await setUp();
    await ask(vector('2'));
    source.close();
    const before = armed();
    clock.advance(10_000);
    expect([source.alarm, armed()]).toEqual([undefined, before]);
  });

  const bad: [string, Record<string, unknown>, string][] = [
    ['no address', { url: 'prometheus' }, 'prometheusSignal.url: expected an address that begins with http'],
    [
      'a password that is not encoded',
      { url: 'http://a:%zz@localhost' },
      'prometheusSignal.url: expected a user and a password',
    ],
    ['another protocol', { url: 'file:///etc/passwd' }, 'prometheusSignal.url'],
    ['no query', { query: ' ' }, 'prometheusSignal.query: expected a query'],
    ['no threshold', { threshold: Number.NaN }, 'prometheusSignal.threshold: expected a number'],
    ['a short interval', { intervalMs: 1 }, 'prometheusSignal.intervalMs: expected a number from 10'],
    ['a long name', { name: 'x'.repeat(65) }, 'prometheusSignal.name: expected up to 64'],
    [
      'a header with a line break',
      { headers: { a: 'b\nc' } },
      'prometheusSignal.headers: expected headers that HTTP',
    ],
    ['a misspelt option', { treshold: 1 }, 'prometheusSignal.treshold: expected one of'],
  ];
  it.each(bad)('refuses %s', (_name, options, message) => {
    const good: PrometheusSignalOptions = { url: 'http://localhost:9090', query: 'x', threshold: 1 };
    expect(() => prometheusSignal({ ...good, ...options } as PrometheusSignalOptions)).toThrow(message);
  });
});

describe.skipIf(!hasPrometheus)('prometheusSignal with a real Prometheus', () => {
  function asking(
    url: string,
    query: string,
    options: Partial<PrometheusSignalOptions> = {},
  ): PrometheusSignal {
    const source = prometheusSignal({
      url,
      query,
      threshold: 1,
      intervalMs: 20,
      ...UNHURRIED,
      onWarning: () => {},
      ...options,
    });
    closers.push(() => source.close());
    return source;
  }

  it('trips a circuit by the value of a query, and reports why other queries have no value', async () => {
    const prometheus = await startPrometheus();
    closers.push(() => prometheus.stop());
    const high = asking(prometheus.url, 'vector(1.5)', { name: 'fleet p99' });
    const low = asking(prometheus.url, 'vector(0.5)');
    const wrong = asking(prometheus.url, 'sum(');
    const empty = asking(prometheus.url, 'no_such_metric');
    const nan = asking(prometheus.url, 'vector(0) / 0');
    const several = asking(prometheus.url, 'vector(1) or label_replace(vector(2), "a", "b", "", "")');
    await expect.poll(() => [high.value, low.value]).toEqual([1.5, 0.5]);
    await expect
      .poll(() => [wrong, empty, nan, several].every(({ trouble }) => trouble !== undefined))
      .toBe(true);
    expect(wrong.trouble).toMatch(/^status 400: .*parse error/);
    expect(empty.trouble).toMatch(/^no value/);
    expect(nan.trouble).toMatch(/^a value that is no number: NaN/);
    expect(several.trouble).toMatch(/^several values/);
    const guard = createGuard({ circuit: { trip: [signal(low), signal(high)] } });
    closers.push(() => guard.close());
    expect(use(guard)).toBe('open');
    expect(guard.snapshots()[0]?.lastTrip?.reason).toMatch(/^signal fleet p99 1\.5 > 1 for \d+ s$/);
    // it hangs, and is killed: what was known stays known for a while
    const slow = asking(prometheus.url, 'vector(2)', { timeoutMs: 100, staleAfterMs: 600_000 });
    await expect.poll(() => slow.alarm).toBeDefined();
    prometheus.suspend();
    await expect.poll(() => slow.trouble).toBe('no answer in 100 ms');
    expect(slow.alarm).toBeDefined();
    await prometheus.stop();
    await expect.poll(() => slow.trouble).toMatch(/^no answer: ECONNRE/);
    expect(slow.alarm).toBeDefined();
  });
});
