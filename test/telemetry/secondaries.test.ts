import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  answerWith,
  type Circuit,
  coalesce,
  createGuard,
  FallbackRegistry,
  type ProtectedStrategy,
  type TransitionEvent,
  type WarningEvent,
} from 'failsoft';
import { prometheus } from 'failsoft/prometheus';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { echoService, type Message } from '../support/echo-service.js';
import { openFor, tripAfter } from '../support/guard.js';
import { ask, EventsReader, isDelta, servedGuard } from './dashboard/support.js';

const TOKEN = 'correct-horse-battery';
const small = (name = 'small', onTransition?: (event: TransitionEvent) => void) =>
  answerWith<Message, Message>(name, () => ({ text: 'a' }), {
    circuit: { ...tripAfter(2), ...openFor(600_000) },
    ...(onTransition && { onTransition }),
  });

function registryOf(...strategies: ProtectedStrategy<Message, Message>[]): FallbackRegistry {
  const [first, ...rest] = strategies;
  const fallbacks = new FallbackRegistry();
  // the first one is wrapped for one method, and bare for another: it is one circuit all the same
  if (first) fallbacks.register(echoService.unary, [coalesce(first)]);
  return fallbacks.register(echoService.serverStream, [...(first ? [first] : []), ...rest]);
}

function trip({ circuit }: ProtectedStrategy<Message, Message>): void {
  for (let n = 0; n < 2; n++) {
    const permit = circuit?.acquire();
    if (permit?.admitted) permit.settle('failure', 1);
  }
}

describe('the circuits of secondaries', () => {
  it('are read from the guard, each once, under the names of their sources', () => {
    const own = vi.fn();
    const strategies = [small('small', own), small('other'), small('small')] as const;
    const guard = createGuard({ fallbacks: registryOf(...strategies) });
    const seen: TransitionEvent[] = [];
    guard.on('secondary', (event) => seen.push(event));
    const published: unknown[] = [];
    const note = (message: unknown) => void published.push(message);
    subscribe('failsoft:transition', note);
    onTestFinished(() => void unsubscribe('failsoft:transition', note));
    trip(strategies[2]);
    const readings = guard.secondaries();
    expect(readings.map(({ circuitKey }) => circuitKey)).toEqual([
      'secondary:small',
      'secondary:other',
      'secondary:small~2',
    ]);
    expect(readings.map(({ snapshot }) => `${snapshot.circuitKey} ${snapshot.state}`)).toEqual([
      'secondary:small closed',
      'secondary:other closed',
      'secondary:small~2 open',
    ]);
    expect(readings[2]?.transitions).toEqual([
      { circuitKey: 'secondary:small~2', from: 'closed', to: 'open', rule: 'failure-rate', count: 1 },
    ]);
    expect(readings[2]?.circuit).toBe(strategies[2].circuit);
    expect(seen).toMatchObject([{ circuitKey: 'secondary:small~2', from: 'closed', to: 'open' }]);
    expect(published).toEqual(seen);
    trip(strategies[0]);
    expect(own).toHaveBeenCalledOnce();
    expect(guard.snapshots()).toEqual([]);
  });

  it('are none without fallbacks, and none of a strategy without a circuit', () => {
    expect(createGuard().secondaries()).toEqual([]);
    const bare = answerWith<Message, Message>('bare', () => undefined, { circuit: false });
    expect(createGuard({ fallbacks: registryOf(bare) }).secondaries()).toEqual([]);
  });

  it('are left out where their snapshot throws, and the others are read', () => {
    const broken = small('broken');
    vi.spyOn(broken.circuit as Circuit, 'snapshot').mockImplementation(() => {
      throw new Error('no snapshot');
    });
    const guard = createGuard({ fallbacks: registryOf(broken, small()) });
    const warnings: WarningEvent[] = [];
    guard.on('warning', (event) => warnings.push(event));
    expect(guard.secondaries().map(({ circuitKey }) => circuitKey)).toEqual(['secondary:small']);
    expect(warnings).toMatchObject([{ source: 'snapshot of secondary:broken' }]);
  });

  it('open though a listener of theirs throws', () => {
    const strategy = small();
    const seen = vi.fn();
    const throwing = () => {
      throw new Error('no listener');
    };
    strategy.reportCircuit?.({ transition: throwing, isolation: throwing });
    const fallbacks = new FallbackRegistry().register(echoService.serverStream, [strategy]);
    const guard = createGuard({ fallbacks });
    guard.on('secondary', seen);
    const warnings: WarningEvent[] = [];
    guard.on('warning', (event) => warnings.push(event));
    trip(strategy);
    expect(strategy.circuit?.state).toBe('open');
    expect(seen).toHaveBeenCalledOnce();
    expect(warnings).toMatchObject([{ source: 'a listener of the circuit of secondary:small' }]);
    strategy.circuit?.isolate().release();
    expect(warnings).toHaveLength(3);
  });

  it('are in the metrics', async () => {
    const strategy = small();
    const guard = createGuard({ fallbacks: registryOf(strategy) });
    const register = new Registry();
    const metrics = prometheus(guard, { register });
    onTestFinished(() => metrics.close());
    trip(strategy);
    const text = await register.metrics();
    for (const line of [
      'failsoft_circuit_state{circuit="secondary:small",state="open"} 1',
      'failsoft_transitions_total{circuit="secondary:small",from="closed",to="open",rule="failure-rate"} 1',
      'failsoft_calls_total{circuit="secondary:small",outcome="failure"} 2',
    ])
      expect(text).toContain(`${line}\n`);
  });

  it('are on the page with their settings and their past, and can be isolated there', async () => {
    const strategy = small();
    const { server } = await servedGuard({ controls: { token: TOKEN } }, { fallbacks: registryOf(strategy) });
    const reader = new EventsReader(server);
    const { circuits, settings } = await reader.snapshot();
    expect(circuits.map(({ view }) => view.circuitKey)).toEqual(['secondary:small']);
    expect(settings[circuits[0]?.view.settings ?? '']).toMatchObject({
      circuit: { open: { baseMs: 600_000 } },
      fallbacks: [],
    });
    trip(strategy);
    const moved = await reader.until(
      (message) => isDelta(message) && (message.data.timeline?.length ?? 0) > 0,
    );
    expect(moved.data).toMatchObject({ timeline: [{ circuitKey: 'secondary:small', to: 'open' }] });
    const headers = { authorization: `Bearer ${TOKEN}`, 'sec-fetch-site': 'same-origin' };
    const post = (query: string) =>
      ask(server, `/control?circuit=secondary%3Asmall&${query}`, { method: 'POST', headers });
    expect((await post('action=isolate')).status).toBe(200);
    expect(strategy.circuit?.isolated).toBe(1);
    expect((await post('action=release')).text).toBe('released\n');
    expect((await post('action=mode&mode=observe')).status).toBe(200);
    expect(strategy.circuit?.mode).toBe('observe');
  });
});
