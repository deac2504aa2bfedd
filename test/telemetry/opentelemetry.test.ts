import { status } from '@grpc/grpc-js';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { FallbackRegistry, type FallbackStrategy, type Guard, type GuardOptions, lastGood } from 'failsoft';
import { type OpenTelemetryOptions, openTelemetry } from 'failsoft/opentelemetry';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoService, type Message } from '../support/echo-service.js';
import { opensSoon, startGuard, startGuarded } from '../support/guarded-client.js';

const closers = closedAfterEach();

/** A real SDK whose metrics are read by hand. */
function sdk(temporality = AggregationTemporality.CUMULATIVE) {
  const exporter = new InMemoryMetricExporter(temporality);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  closers.push(() => meterProvider.shutdown());
  const collect = async () => {
    exporter.reset();
    await reader.forceFlush();
    return points(exporter.getMetrics().at(-1));
  };
  return { meterProvider, collect };
}

/** `name key=value ...` with the value of the point. */
function points(metrics: ResourceMetrics | undefined): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const { descriptor, dataPoints } of metrics?.scopeMetrics.flatMap((scope) => scope.metrics) ?? []) {
    for (const { attributes, value } of dataPoints) {
      const shown = Object.entries(attributes).map(([key, each]) => `${key}=${each}`);
      found.set([descriptor.name, ...shown].join(' '), value);
    }
  }
  return found;
}

function named(series: Map<string, unknown>, name: string): string[] {
  return [...series].filter(([key]) => key.split(' ')[0] === name).map(([key, value]) => `${key} ${value}`);
}

const guardOf = (options: GuardOptions = {}) => startGuard(closers, { circuit: opensSoon(), ...options });

const answering: FallbackStrategy<Message, Message> = {
  name: 'default',
  answer: () => ({ message: { text: 'instead' }, source: 'default' }),
};

async function failing(options: GuardOptions = {}) {
  const fallbacks = new FallbackRegistry().register(echoService.unary, [lastGood(), answering]);
  const guarded = await startGuarded(closers, { circuit: opensSoon(), fallbacks, ...options });
  guarded.server.handlers.unary = (_call, callback) => callback({ code: status.UNAVAILABLE });
  return guarded;
}

describe('the instruments', () => {
  it('have the same values as the metrics of Prometheus', async () => {
    const { guard, client } = await failing();
    const { meterProvider, collect } = sdk();
    const metrics = openTelemetry(guard, { meterProvider, attributes: { team: 'demand' } });
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    const series = await collect();
    const circuit = 'team=demand failsoft.circuit=/test.Echo/Unary';
    const method = 'team=demand rpc.system.name=grpc rpc.method=test.Echo/Unary';
    const expected: [string, string, number][] = [
      ['calls', `${circuit} failsoft.outcome=failure`, 2],
      ['rejected', `${circuit} failsoft.reason=CIRCUIT_OPEN`, 1],
      ['opened', circuit, 1],
      ['transitions', `${circuit} failsoft.from=closed failsoft.to=open failsoft.rule=failure-rate`, 1],
      ['answers', `${method} failsoft.source=default`, 3],
      ['degraded', `${method} failsoft.source=default failsoft.cause=rejected`, 1],
      ['fallback.attempts', `${method} failsoft.strategy=last-good failsoft.result=declined`, 3],
      ['failure_rate', circuit, 1],
      ['circuit.state', `${circuit} failsoft.circuit.state=open`, 1],
      ['circuit.state', `${circuit} failsoft.circuit.state=closed`, 0],
      ['circuits', 'team=demand failsoft.circuit.state=open', 1],
      [
        'store.troubled',
        `team=demand failsoft.store=last-good rpc.system.name=grpc rpc.method=test.Echo/Unary`,
        0,
      ],
    ];
    for (const [name, attributes, value] of expected)
      expect([name, attributes, series.get(`failsoft.${name} ${attributes}`)]).toEqual([
        name,
        attributes,
        value,
      ]);
    expect(named(series, 'failsoft.calls')).toHaveLength(1);
    for (const key of series.keys()) expect(key).toMatch(/^failsoft\.[a-z_.]+ /);
    expect([...series.keys()].filter((key) => /_total|_seconds/.test(key))).toEqual([]);
    metrics.close();
    metrics.close();
    for (let n = 0; n < 3; n++) await callUnary(client, 'a');
    const after = (await collect()).get(`failsoft.answers ${method} failsoft.source=default`);
    expect(after ?? 3).toBe(3); // the SDK repeats what is no longer measured
  });

  it('show a circuit as closed again, or as gone, once they have shown it open', async () => {
    const guard = guardOf({ maxCircuits: 2 });
    const { meterProvider, collect } = sdk();
    openTelemetry(guard, { meterProvider });
    const circuit = guard.circuit('/a.B/C', 'm');
    for (let n = 0; n < 2; n++) {
      const permit = circuit.acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    const states = (series: Map<string, unknown>) =>
      named(series, 'failsoft.circuit.state').map((line) => line.slice(line.indexOf('circuit.state=') + 14));
    expect(states(await collect())).toEqual(['closed 0', 'open 1', 'half-open 0', 'recovering 0']);
    circuit.reset();
    const closed = await collect();
    expect(states(closed)).toEqual(['closed 1', 'open 0', 'half-open 0', 'recovering 0']);
    expect(closed.get('failsoft.open_until failsoft.circuit=/a.B/C#m')).toBe(0);
    for (let n = 0; n < 3; n++) guard.circuit('/a.B/C', `other ${n}`);
    expect(states(await collect())).toEqual(['closed 0', 'open 0', 'half-open 0', 'recovering 0']);
  });

  /** An open circuit with two failures, which is evicted: what is exported before, then twice after that. */
  async function evicted(temporality: AggregationTemporality) {
    const guard = guardOf({ maxCircuits: 2 });
    const { meterProvider, collect } = sdk(temporality);
    openTelemetry(guard, { meterProvider });
    const trip = (name: string) => {
      for (let n = 0; n < 2; n++) {
        const permit = guard.circuit('/a.B/C', name).acquire();
        if (permit.admitted) permit.settle('failure', 1_000);
      }
    };
    trip('m');
    guard.circuit('/a.B/C', 'm').acquire();
    const own = async () =>
      Object.fromEntries(
        [...(await collect())].flatMap(([key, value]) =>
          key.includes('failsoft.circuit=/a.B/C#m')
            ? [[key.replace(' failsoft.circuit=/a.B/C#m', '').replaceAll('failsoft.', ''), value]]
            : [],
        ),
      );
    const before = await own();
    // an open circuit is evicted only where all are
    for (let n = 0; n < 3; n++) trip(`other ${n}`);
    const first = await own();
    for (let n = 0; n < 10; n++) await own();
    return { before, first, last: await own() };
  }

  const zeros = {
    failure_rate: 0,
    'latency quantile=0.5': 0,
    'latency quantile=0.9': 0,
    'latency quantile=0.99': 0,
    open_until: 0,
    in_flight: 0,
    'circuit.isolated': 0,
    'circuit.state circuit.state=closed': 0,
    'circuit.state circuit.state=open': 0,
    'circuit.state circuit.state=half-open': 0,
    'circuit.state circuit.state=recovering': 0,
  };

  it('of an evicted circuit are 0 where they are gauges, and stand still where they are counters', async () => {
    const { before, first, last } = await evicted(AggregationTemporality.CUMULATIVE);
    const counters = {
      opened: 1,
      'transitions from=closed to=open rule=failure-rate': 1,
      'calls outcome=failure': 2,
      'rejected reason=CIRCUIT_OPEN': 1,
    };
    expect(before).toMatchObject({ ...counters, failure_rate: 1, 'circuit.state circuit.state=open': 1 });
    expect(first).toEqual({ ...counters, ...zeros });
    expect(last).toEqual(first);
  });

  it('of an evicted circuit end where the SDK exports deltas, after ten zeros', async () => {
    const { before, first, last } = await evicted(AggregationTemporality.DELTA);
    expect(before).toMatchObject({ 'calls outcome=failure': 2, failure_rate: 1 });
    // this exporter has deltas of up-down counters too: from 1 to 0
    expect(first).toEqual({ ...zeros, 'circuit.state circuit.state=open': -1 });
    expect(last).toEqual({});
  });

  it('have room for evicted circuits too, which the SDK never forgets', async () => {
    const guard = guardOf({ maxCircuits: 100, circuit: { mode: 'observe' } });
    const { meterProvider, collect } = sdk();
    openTelemetry(guard, { meterProvider });
    const use = (name: string) => {
      for (const outcome of ['success', 'failure'] as const) {
        const permit = guard.circuit('/a.B/C', name).acquire();
        if (permit.admitted) permit.settle(outcome, 1);
      }
    };
    for (let round = 0; round < 30; round++) {
      for (let n = 0; n < 100; n++) use(`m${round * 100 + n}`);
      await collect();
    }
    use('m7');
    const series = await collect();
    expect([...series.keys()].filter((key) => key.includes('overflow'))).toEqual([]);
    expect(named(series, 'failsoft.calls')).toHaveLength(301 * 2);
    expect(series.get('failsoft.calls failsoft.circuit=_other failsoft.outcome=success')).toBe(2_700);
    // it has its label again, and counts anew
    expect(series.get('failsoft.calls failsoft.circuit=/a.B/C#m7 failsoft.outcome=success')).toBe(1);
  });

  it('have the states of circuits that are not closed only, and how many are in each', async () => {
    const guard = guardOf();
    const { meterProvider, collect } = sdk();
    openTelemetry(guard, { meterProvider });
    for (let n = 0; n < 400; n++) guard.circuit('/a.B/C', `m${n}`);
    const { totals } = guard.circuit('/a.B/C', 'm7').snapshot();
    for (let n = 0; n < 2; n++) {
      const permit = guard.circuit('/a.B/C', 'm7').acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    expect(totals.opened).toBe(0);
    const series = await collect();
    expect(named(series, 'failsoft.circuit.state')).toHaveLength(4);
    expect(series.get('failsoft.circuits failsoft.circuit.state=closed')).toBe(399);
    expect(named(series, 'failsoft.opened')).toEqual(['failsoft.opened failsoft.circuit=/a.B/C#m7 1']);
  });

  it('stay below the 2,000 series of an instrument that the SDK keeps apart', async () => {
    const guard = guardOf({ circuit: { mode: 'observe' } });
    const { meterProvider, collect } = sdk();
    openTelemetry(guard, { meterProvider });
    const outcomes = ['success', 'caller-error', 'failure', 'overload', 'ignored'] as const;
    for (let n = 0; n < 1_000; n++) {
      for (const outcome of outcomes) {
        const permit = guard.circuit('/a.B/C', `m${n}`).acquire();
        if (permit.admitted) permit.settle(outcome, 1);
      }
    }
    const series = await collect();
    expect([...series.keys()].some((key) => key.includes('overflow'))).toBe(false);
    expect(named(series, 'failsoft.calls')).toHaveLength(301 * 5);
    expect(series.get('failsoft.calls failsoft.circuit=_other failsoft.outcome=success')).toBe(700);
  });

  it('have the jobs and bytes of queues', async () => {
    const { meterProvider, collect } = sdk();
    const queue = { counts: () => Promise.resolve({ waiting: 3, active: 1, dead: 0, bytes: 40 }) };
    openTelemetry(guardOf(), { meterProvider, queues: { scores: queue } });
    const series = await collect();
    expect(series.get('failsoft.queue.jobs failsoft.queue=scores failsoft.job.state=waiting')).toBe(3);
    expect(series.get('failsoft.queue.size failsoft.queue=scores')).toBe(40);
  });

  it('do nothing without an SDK', async () => {
    const { guard, client } = await failing();
    const metrics = openTelemetry(guard);
    expect((await callUnary(client, 'a')).value).toEqual({ text: 'instead' });
    metrics.close();
  });
});

describe('the active span', () => {
  function tracing() {
    const exporter = new InMemorySpanExporter();
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    provider.register();
    closers.push(() => {
      trace.disable();
      return provider.shutdown();
    });
    return { exporter, tracer: provider.getTracer('test') };
  }

  it('has the source, the circuit, the cause and the transitions of its own calls, and no error', async () => {
    const { exporter, tracer } = tracing();
    const { server, guard, client } = await failing();
    const metrics = openTelemetry(guard, { meterProvider: sdk().meterProvider });
    const answer = server.handlers.unary;
    // at the same time: each call writes on its own span
    server.handlers.unary = (call, callback) =>
      call.request.text === 'good' ? callback(null, { text: 'well' }) : answer(call, callback);
    const call = (name: string) =>
      tracer.startActiveSpan(name, async (span) => {
        await callUnary(client, name);
        span.end();
      });
    await Promise.all(['good', 'bad 1', 'bad 2'].map(call));
    await call('rejected');
    metrics.close();
    await call('later');
    const spans = new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
    const attributes = (name: string) => spans.get(name)?.attributes;
    const circuit = { 'failsoft.circuit': '/test.Echo/Unary' };
    expect(attributes('good')).toEqual({ 'failsoft.source': 'primary', ...circuit });
    expect(attributes('bad 1')).toEqual({
      'failsoft.source': 'default',
      'failsoft.cause': 'failed',
      ...circuit,
    });
    expect(attributes('rejected')).toEqual({
      'failsoft.source': 'default',
      'failsoft.cause': 'rejected',
      ...circuit,
    });
    expect(attributes('later')).toEqual({});
    const events = [...spans.values()].flatMap(({ name, events: all }) =>
      all.map((event) => ({ name, event })),
    );
    expect(events).toHaveLength(1);
    expect(events[0]?.name).toMatch(/^bad/);
    expect(events[0]?.event).toMatchObject({
      name: 'failsoft.transition',
      attributes: { 'failsoft.from': 'closed', 'failsoft.to': 'open', 'failsoft.openings': 1, ...circuit },
    });
    for (const span of spans.values()) expect(span.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('gets no attributes with spans: false, and none after its end', async () => {
    const { exporter, tracer } = tracing();
    const { guard, client } = await failing();
    const metrics = openTelemetry(guard, { spans: false });
    await tracer.startActiveSpan('without', async (span) => {
      await callUnary(client, 'a');
      span.end();
    });
    metrics.close();
    const again = openTelemetry(guard);
    await tracer.startActiveSpan('ended', async (span) => {
      const ended = callUnary(client, 'a');
      span.end();
      await ended;
    });
    again.close();
    expect(exporter.getFinishedSpans().map(({ attributes }) => attributes)).toEqual([{}, {}]);
  });
});

describe('the options', () => {
  const bad: [string, unknown, string][] = [
    ['a misspelt option', { meter: 1 }, 'options.meter: expected one of'],
    ['no meter provider', { meterProvider: {} }, 'options.meterProvider.getMeter: expected a function'],
    ['too many circuits', { maxCircuits: 501 }, 'options.maxCircuits: expected an integer from 0 to 500'],
    ['spans that are no boolean', { spans: 1 }, 'options.spans: expected a boolean'],
    ['no queue', { queues: { q: {} } }, 'options.queues.q.counts: expected a function'],
    ['no attributes', { attributes: 1 }, 'options.attributes: expected an object'],
  ];
  it.each(bad)('%s is refused', (_name, options, message) => {
    expect(() => openTelemetry(guardOf(), options as OpenTelemetryOptions)).toThrow(message);
  });

  it('an object that is no guard is refused', () => {
    expect(() => openTelemetry({} as Guard)).toThrow('openTelemetry(guard): expected a guard');
  });
});
