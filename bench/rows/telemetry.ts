import { context, trace } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { createGuard, type Guard, perMethod, systemClock } from 'failsoft';
import { openTelemetry } from 'failsoft/opentelemetry';
import { prometheus } from 'failsoft/prometheus';
import { Registry } from 'prom-client';
import { CallObservers } from '../../src/telemetry/call-observers.js';
import { guardEmitter } from '../../src/telemetry/emitter.js';
import { type Batch, calls, client, usuallyAddedTo } from '../lib/calls.js';
import type { Row } from '../lib/row.js';
import { nsPerCall } from '../lib/samplers.js';

function guarded(prepare: (guard: Guard) => void = () => {}): Batch {
  const guard = createGuard({ keyBy: perMethod() });
  prepare(guard);
  return calls(client(guard.interceptor));
}

/** The cost of events and observers for each call without a listener. */
const nobody: Row = {
  name: 'telemetry.nobody-listens',
  unit: 'ns',
  budget: 30,
  open: () => {
    const observers = new CallObservers(guardEmitter());
    return { ours: nsPerCall(() => observers.begin(systemClock)) };
  },
};

const withPrometheus: Row = {
  name: 'telemetry.ok.added.prometheus',
  unit: 'us',
  budget: 0.3,
  open: () => ({
    ours: usuallyAddedTo(
      guarded(),
      guarded((guard) => prometheus(guard, { register: new Registry() })),
    ),
    floor: usuallyAddedTo(guarded(), guarded()),
  }),
};

const withDurations: Row = {
  name: 'telemetry.ok.added.prometheus.call-durations',
  unit: 'us',
  open: () => ({
    ours: usuallyAddedTo(
      guarded(),
      guarded((guard) => prometheus(guard, { register: new Registry(), callDurations: true })),
    ),
  }),
};

/** With an SDK for metrics and tracing, outside of any span. */
const withOpenTelemetry: Row = {
  name: 'telemetry.ok.added.opentelemetry',
  unit: 'us',
  budget: 0.3,
  open: () => {
    const tracing = new NodeTracerProvider();
    tracing.register();
    const meterProvider = new MeterProvider();
    return {
      ours: usuallyAddedTo(
        guarded(),
        guarded((guard) => openTelemetry(guard, { meterProvider })),
      ),
      floor: usuallyAddedTo(guarded(), guarded()),
      close: () => tracing.shutdown(),
    };
  },
};

/** The same within a recorded span, on which attributes are written. */
const withinSpan: Row = {
  name: 'telemetry.ok.added.opentelemetry.span',
  unit: 'us',
  open: () => {
    const tracing = new NodeTracerProvider();
    tracing.register();
    const span = tracing.getTracer('bench').startSpan('caller');
    const inside = (batch: Batch) => () => context.with(trace.setSpan(context.active(), span), batch);
    const batch = guarded((guard) => openTelemetry(guard, { meterProvider: new MeterProvider() }));
    return { ours: usuallyAddedTo(inside(guarded()), inside(batch)), close: () => tracing.shutdown() };
  },
};

const scrape: Row = {
  name: 'telemetry.scrape.1000-circuits',
  unit: 'ms',
  budget: 50,
  open: () => {
    const guard = createGuard();
    const register = new Registry();
    prometheus(guard, { register });
    for (let n = 0; n < 1_000; n++) use(guard, `model-${n}`);
    return {
      ours: async () => {
        const start = performance.now();
        await register.metrics();
        return performance.now() - start;
      },
    };
  },
};

/** A full window of calls, some of which fail. */
function use(guard: Guard, model: string): void {
  const circuit = guard.circuit('/inference.GRPCInferenceService/ModelInfer', model);
  for (let call = 0; call < 120; call++) {
    const permit = circuit.acquire();
    if (permit.admitted) permit.settle(call % 5 === 0 ? 'failure' : 'success', 10 + call);
  }
}

export const rows: readonly Row[] = [
  nobody,
  withPrometheus,
  withDurations,
  withOpenTelemetry,
  withinSpan,
  scrape,
];
