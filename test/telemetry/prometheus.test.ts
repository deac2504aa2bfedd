import { status } from '@grpc/grpc-js';
import {
  defaultPrediction,
  FallbackRegistry,
  type FallbackStrategy,
  type Guard,
  type GuardOptions,
  lastGood,
  nativeEngine,
  slowRate,
} from 'failsoft';
import { type PrometheusOptions, prometheus } from 'failsoft/prometheus';
import { Counter, register as globalRegistry, type OpenMetricsContentType, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoService, type Message } from '../support/echo-service.js';
import { openFor, tripAfter } from '../support/guard.js';
import { opensSoon, startGuard, startGuarded } from '../support/guarded-client.js';

const closers = closedAfterEach();

const guardOf = (options: GuardOptions = {}) => startGuard(closers, { circuit: opensSoon(), ...options });

type Options = Omit<PrometheusOptions, 'register'> & { readonly register?: Registry };

function metered(guard: Guard, options: Options = {}): Registry {
  const register = options.register ?? new Registry();
  const metrics = prometheus(guard, { ...options, register });
  closers.push(() => metrics.close());
  return register;
}

/** The series of a registry: `name{labels}` with its value. */
async function scrape(register: Registry): Promise<Map<string, number>> {
  const lines = (await register.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

function named(series: Map<string, number>, name: string): Record<string, number> {
  return Object.fromEntries([...series].filter(([key]) => key.replace(/\{.*/s, '') === name));
}

function use(guard: Guard, key: string, times = 1): void {
  for (let n = 0; n < times; n++) {
    const permit = guard.circuit('/a.B/C', key).acquire();
    if (permit.admitted) permit.settle('success', 10);
  }
}

const answering: FallbackStrategy<Message, Message> = {
  name: 'default',
  answer: () => ({ message: { text: 'instead' }, source: 'default' }),
};
const throwing: FallbackStrategy<Message, Message> = {
  name: 'secondary:small',
  answer: () => Promise.reject(new Error('small is down')),
};

describe('the metrics of a guard', () => {
  it('count how calls are answered', async () => {
    const registry = new FallbackRegistry().register(echoService.unary, [lastGood(), throwing, answering]);
    const { server, guard, client } = await startGuarded(closers, {
      engine: nativeEngine, // the other one has no slow rate
      fallbacks: registry,
      circuit: {
        trip: [
          ...(tripAfter(3).trip ?? []),
          slowRate({ threshold: 1, slowThresholdMs: 60_000, minimumCalls: 100 }),
        ],
        ...openFor(600_000),
        concurrency: { type: 'fixed', limit: 7 },
      },
    });
    const register = metered(guard);
    await callUnary(client, 'a');
    server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
    for (let n = 0; n < 3; n++) await callUnary(client, 'other');
    const series = await scrape(register);
    const circuit = 'circuit="/test.Echo/Unary"';
    const method = 'method="/test.Echo/Unary"';
    expect(named(series, 'failsoft_circuit_state')).toEqual({
      [`failsoft_circuit_state{${circuit},state="closed"}`]: 0,
      [`failsoft_circuit_state{${circuit},state="open"}`]: 1,
      [`failsoft_circuit_state{${circuit},state="half-open"}`]: 0,
      [`failsoft_circuit_state{${circuit},state="recovering"}`]: 0,
    });
    const expected: [string, string, number][] = [
      ['transitions_total', `${circuit},from="closed",to="open",rule="failure-rate"`, 1],
      ['opened_total', circuit, 1],
      ['calls_total', `${circuit},outcome="success"`, 1],
      ['calls_total', `${circuit},outcome="failure"`, 2],
      ['calls_total', `${circuit},outcome="ignored"`, 0],
      ['rejected_total', `${circuit},reason="CIRCUIT_OPEN"`, 1],
      ['answers_total', `${method},source="primary"`, 1],
      ['answers_total', `${method},source="default"`, 3],
      ['degraded_total', `${method},source="default",cause="failed"`, 2],
      ['degraded_total', `${method},source="default",cause="rejected"`, 1],
      ['fallback_attempts_total', `${method},strategy="secondary:small",result="failed"`, 3],
      ['failure_rate', circuit, 2 / 3],
      ['slow_rate', circuit, 0],
      ['in_flight', circuit, 0],
      ['concurrency_limit', circuit, 7],
      ['circuits', 'state="open"', 1],
      ['circuit_isolated', circuit, 0],
      ['store_entries', `store="last-good",${method}`, 1],
      ['store_troubled', `store="last-good",${method}`, 0],
      ['store_answers_total', `store="last-good",${method},result="misses"`, 3],
    ];
    for (const [name, labels, value] of expected)
      expect([name, labels, series.get(`failsoft_${name}{${labels}}`)]).toEqual([name, labels, value]);
    const untilSeconds = series.get(`failsoft_open_until_seconds{${circuit}}`) ?? 0;
    // half of the ten minutes is chance
    expect(untilSeconds * 1000 - Date.now()).toBeGreaterThan(200_000);
    expect(series.get(`failsoft_latency_seconds{${circuit},quantile="0.99"}`)).toBeLessThan(60);
    expect(named(series, 'failsoft_failure_rate_total')).toEqual({});
  });

  it('have a help text each', async () => {
    const text = await metered(guardOf()).metrics();
    const help = text.split('\n').filter((line) => line.startsWith('# HELP failsoft_'));
    expect(help).toHaveLength(25);
    for (const line of help) expect(line).toMatch(/^# HELP failsoft_[a-z_]+ \S.{10,}\.$/);
  });

  it('are read at each scrape, and cost a call nothing: an idle time window empties', async () => {
    const guard = guardOf();
    const register = metered(guard);
    use(guard, 'm', 3);
    expect(named(await scrape(register), 'failsoft_calls_total')).toMatchObject({
      'failsoft_calls_total{circuit="/a.B/C#m",outcome="success"}': 3,
    });
    use(guard, 'm', 2);
    expect(named(await scrape(register), 'failsoft_calls_total')).toMatchObject({
      'failsoft_calls_total{circuit="/a.B/C#m",outcome="success"}': 5,
    });
  });

  it('escape names, which are well-formed and bounded', async () => {
    const guard = guardOf();
    const register = metered(guard);
    const names = ['<script>', 'a"b', 'a\nb', 'a\\b', '\u202etxt.exe', '\ud800', 'x'.repeat(10_000)];
    for (const name of names) use(guard, name);
    const long = guard.circuit(`/${'y'.repeat(10_000)}/C`).acquire();
    if (long.admitted) long.settle('success', 1);
    const text = await register.metrics();
    expect(text.isWellFormed()).toBe(true);
    const lines = text.split('\n').filter((line) => line.startsWith('failsoft_opened_total{'));
    expect(lines).toHaveLength(names.length + 1);
    for (const line of lines)
      expect(line).toMatch(/^failsoft_opened_total\{circuit="(?:[^"\\\n]|\\["\\n])*"\} 0$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(600);
  });
});

describe('calls that are no full evidence', () => {
  it('are counted by the reason', async () => {
    const guard = guardOf();
    const register = metered(guard);
    const circuit = guard.circuit('/a.B/C');
    const permit = circuit.acquire();
    circuit.reset();
    if (permit.admitted) permit.settle('failure', 1);
    expect(named(await scrape(register), 'failsoft_discounted_total')).toEqual({
      'failsoft_discounted_total{circuit="/a.B/C",kind="stale"}': 1,
    });
  });
});

describe('many circuits', () => {
  it('have at most so many labels; the others are summed', async () => {
    const guard = guardOf();
    const register = metered(guard, { maxCircuits: 2 });
    for (const key of ['a', 'b', 'c', 'd']) use(guard, key, 2);
    guard.circuit('/a.B/C', 'd').isolate();
    const series = await scrape(register);
    expect(named(series, 'failsoft_calls_total')).toMatchObject({
      'failsoft_calls_total{circuit="/a.B/C#a",outcome="success"}': 2,
      'failsoft_calls_total{circuit="/a.B/C#b",outcome="success"}': 2,
      'failsoft_calls_total{circuit="_other",outcome="success"}': 4,
    });
    expect(series.get('failsoft_circuit_state{circuit="_other",state="closed"}')).toBe(2);
    expect(series.get('failsoft_circuit_isolated{circuit="_other"}')).toBe(1);
    expect(series.get('failsoft_circuits{state="closed"}')).toBe(4);
    expect([...series.keys()].some((key) => key.includes('#c'))).toBe(false);
  });

  it('have no counter that falls, while circuits come and go: the series of an evicted circuit ends', async () => {
    const guard = guardOf({ maxCircuits: 4 });
    const register = metered(guard, { maxCircuits: 2 });
    let before = new Map<string, number>();
    let used = 0;
    for (let round = 0; round < 30; round++) {
      for (let n = 0; n < 3; n++) use(guard, `m${(round * 7 + n * 3) % 11}`, n + 1);
      used += 6;
      const after = await scrape(register);
      for (const [key, value] of after) {
        if (!/_total\{circuit="_other"/.test(key)) continue;
        expect([key, value >= (before.get(key) ?? 0)]).toEqual([key, true]);
      }
      const labels = new Set([...after.keys()].flatMap((key) => /circuit="([^"]*)"/.exec(key)?.[1] ?? []));
      expect(labels.size).toBeLessThanOrEqual(3);
      before = after;
    }
    expect(before.get('failsoft_calls_total{circuit="_other",outcome="success"}')).toBeLessThanOrEqual(used);
  });

  it('count circuits that come and go between two scrapes', async () => {
    const guard = guardOf({ maxCircuits: 2 });
    const register = metered(guard);
    for (let n = 0; n < 10; n++) use(guard, `m${n}`);
    const calls = named(await scrape(register), 'failsoft_calls_total');
    const successes = Object.entries(calls).filter(([key]) => key.includes('success'));
    expect(successes.map(([, value]) => value).reduce((sum, value) => sum + value)).toBe(10);
  });
});

describe('a registry', () => {
  it('is prom-client’s global one by default, and is left as it was', async () => {
    const metrics = prometheus(guardOf());
    expect(globalRegistry.getSingleMetric('failsoft_circuit_state')).toBeDefined();
    metrics.close();
    metrics.close();
    expect(globalRegistry.getMetricsAsArray()).toEqual([]);
  });

  it('takes several guards that have labels', async () => {
    const register = new Registry();
    const first = guardOf();
    const second = guardOf();
    metered(first, { register, labels: { guard: 'first' }, callDurations: true });
    const metrics = prometheus(second, { register, labels: { guard: 'second' }, callDurations: true });
    use(first, 'm', 1);
    use(second, 'm', 2);
    expect(named(await scrape(register), 'failsoft_calls_total')).toMatchObject({
      'failsoft_calls_total{guard="first",circuit="/a.B/C#m",outcome="success"}': 1,
      'failsoft_calls_total{guard="second",circuit="/a.B/C#m",outcome="success"}': 2,
    });
    metrics.close();
    expect(Object.keys(named(await scrape(register), 'failsoft_opened_total'))).toEqual([
      'failsoft_opened_total{guard="first",circuit="/a.B/C#m"}',
    ]);
  });

  it.each([
    ['the same guard', {}, {}, true, /options\.labels: expected labels that differ from those/],
    ['a guard without labels', {}, {}, false, /options\.labels: expected labels that differ from those/],
    ['other labels', { a: '1' }, { b: '2' }, false, /options\.labels: expected the labels a of/],
    ['the same values', { a: '1' }, { a: '1' }, false, /options\.labels: expected other values/],
    [
      'the same guard with labels',
      { a: '1' },
      { a: '2' },
      true,
      /options\.register: expected a registry without/,
    ],
  ])('refuses %s a second time', (_name, labels, others, isSame, message) => {
    const guard = guardOf();
    const register = metered(guard, { labels });
    expect(() => prometheus(isSame ? guard : guardOf(), { register, labels: others })).toThrow(message);
  });

  it('that has a metric of that name is refused, and gets none', () => {
    const register = new Registry();
    new Counter({ name: 'failsoft_calls_total', help: 'mine', registers: [register] });
    expect(() => prometheus(guardOf(), { register })).toThrow(
      'a registry without a metric failsoft_calls_total',
    );
    expect(register.getMetricsAsArray()).toHaveLength(1);
  });

  it('can be cleared by its owner', () => {
    const register = new Registry();
    const metrics = prometheus(guardOf(), { register });
    register.clear();
    const again = prometheus(guardOf(), { register });
    metrics.close();
    expect(register.getMetricsAsArray()).toHaveLength(25);
    again.close();
    expect(register.getMetricsAsArray()).toEqual([]);
  });

  it('of OpenMetrics works too', async () => {
    const register = new Registry<OpenMetricsContentType>();
    register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const guard = guardOf();
    const metrics = prometheus(guard, { register });
    use(guard, 'm');
    const text = await register.metrics();
    expect(text).toContain('failsoft_calls_total{circuit="/a.B/C#m",outcome="success"} 1');
    metrics.close();
    expect(register.getMetricsAsArray()).toEqual([]);
  });
});

describe('the options', () => {
  const bad: [string, unknown, string][] = [
    ['a misspelt option', { registry: new Registry() }, 'options.registry: expected one of'],
    ['no registry', { register: {} }, 'options.register.registerMetric: expected a function'],
    ['a fraction', { maxCircuits: 0.5 }, 'options.maxCircuits: expected an integer'],
    ['a bad label', { labels: { 'a-b': 'c' } }, 'options.labels: expected names of letters'],
    ['a label of our own', { labels: { circuit: 'x' } }, 'options.labels: expected names that no metric'],
    ['a label that is no text', { labels: { a: 1 } }, 'options.labels.a: expected a string'],
    ['buckets that fall', { callDurations: [1, 0.5] }, 'options.callDurations[1]: expected more than'],
    ['no buckets', { callDurations: [] }, 'options.callDurations: expected a boolean'],
    ['no queue', { queues: { q: {} } }, 'options.queues.q.counts: expected a function'],
  ];
  it.each(bad)('%s is refused', (_name, options, message) => {
    expect(() => prometheus(guardOf(), options as PrometheusOptions)).toThrow(message);
  });

  it('an object that is no guard is refused', () => {
    expect(() => prometheus({} as Guard)).toThrow('prometheus(guard): expected a guard');
  });

  it('callDurations observes each call in seconds', async () => {
    const { guard, client } = await startGuarded(closers, { circuit: opensSoon() });
    const register = metered(guard, { callDurations: [0.5, 60] });
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    const series = await scrape(register);
    const labels = 'method="/test.Echo/Unary",outcome="success"';
    expect(series.get(`failsoft_call_duration_seconds_bucket{le="60",${labels}}`)).toBe(3);
    expect(series.get(`failsoft_call_duration_seconds_sum{${labels}}`)).toBeLessThan(60);
  });

  it('queues are read at each scrape; a queue that fails has no series', async () => {
    const counts = { waiting: 3, active: 1, dead: 2, bytes: 40 };
    const queues = {
      good: { counts: () => Promise.resolve(counts) },
      bad: { counts: () => Promise.reject(new Error('no disk')) },
    };
    const series = await scrape(metered(guardOf(), { queues }));
    expect(Object.fromEntries([...series].filter(([key]) => key.startsWith('failsoft_queue')))).toEqual({
      'failsoft_queue_jobs{queue="good",state="waiting"}': 3,
      'failsoft_queue_jobs{queue="good",state="active"}': 1,
      'failsoft_queue_jobs{queue="good",state="dead"}': 2,
      'failsoft_queue_bytes{queue="good"}': 40,
    });
  });
});

describe('a scrape', () => {
  it('bears nonsense of queues, strategies and labels: the other metrics of the registry stay', async () => {
    const register = new Registry();
    new Counter({ name: 'own_total', help: 'the user’s own', registers: [register] }).inc(3);
    const reading = { store: 'odd', method: '/a.B/C', state: 'ok', memory: { entries: 'many', bytes: -1 } };
    const strategies = [{ store: 5 }, 'x', { ...reading, answers: { hits: Number.NaN, misses: -1 } }];
    const fallbacks = new FallbackRegistry().register(
      echoService.unary,
      strategies.map((odd, index) => ({
        name: `odd ${index}`,
        answer: () => undefined,
        storeReading: () => odd as never,
      })),
    );
    const queues: Record<string, { counts(): Promise<never> }> = {};
    for (const [index, odd] of [undefined, {}, { waiting: 'x', active: 1, dead: 1, bytes: 1 }].entries())
      queues[`odd ${index}`] = { counts: async () => odd as never };
    const labels: Record<string, string> = { guard: 'a' };
    const guard = guardOf({ fallbacks });
    metered(guard, { register, labels, queues });
    use(guard, 'm', 2);
    Object.assign(labels, { later: 'b' });
    const series = await scrape(register);
    expect(series.get('own_total')).toBe(3);
    expect(series.get('failsoft_calls_total{guard="a",circuit="/a.B/C#m",outcome="success"}')).toBe(2);
    expect([...series.keys()].filter((key) => /failsoft_queue|hits|misses/.test(key))).toEqual([]);
    expect([...series.values()].every(Number.isFinite)).toBe(true);
  });
});

describe('a strategy', () => {
  it('whose reading throws leaves the others', async () => {
    const bad: FallbackStrategy<Message, Message> = {
      name: 'bad',
      answer: () => undefined,
      storeReading: () => {
        throw new Error('no reading');
      },
    };
    const fallbacks = new FallbackRegistry()
      .register(echoService.unary, [bad, lastGood()])
      .register(echoService.clientStream, [defaultPrediction(() => ({ text: 'x' }))]);
    const series = await scrape(metered(guardOf({ fallbacks })));
    expect(Object.keys(named(series, 'failsoft_store_entries'))).toEqual([
      'failsoft_store_entries{store="last-good",method="/test.Echo/Unary"}',
    ]);
  });
});
