import { type CircuitSettings, failureRate, latencyPercentile } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { bounded, forgetUnused } from '../../../src/telemetry/dashboard/server/bounds.js';
import { sampleBetween } from '../../../src/telemetry/dashboard/server/circuit-view.js';
import { Series } from '../../../src/telemetry/dashboard/server/series.js';
import { SettingsTable } from '../../../src/telemetry/dashboard/server/settings-table.js';
import { TimelineLog } from '../../../src/telemetry/dashboard/server/timeline-log.js';
import {
  FORMAT_VERSION,
  idOf,
  packed,
  type SnapshotMessage,
} from '../../../src/telemetry/dashboard/view/protocol.js';
import {
  rateOf,
  segmentsOf,
  sharesOf,
  sourcesOf,
  stacked,
} from '../../../src/telemetry/dashboard/view/series.js';
import { apply, MOST_ENTRIES, stateOf } from '../../../src/telemetry/dashboard/view/state.js';
import {
  assess,
  byTrouble,
  callersRate,
  isTrouble,
  type Level,
} from '../../../src/telemetry/dashboard/view/trouble.js';
import { circuitState, entry, sample, view } from './views.js';

const PROCESS = { name: 'p', error: null, sinceMs: 0, stepMs: 1_000, steps: 3, steppedAtMs: 0 };
const snapshot = (): SnapshotMessage => ({
  version: FORMAT_VERSION,
  atMs: 0,
  processes: [PROCESS],
  settings: {},
  circuits: [{ view: view(), history: [packed(sample({ calls: 1 }))], timeline: [] }],
});
const KEY = view().circuitKey;

describe('the state of a stream', () => {
  it('forgets settings that no circuit has any more', () => {
    const state = stateOf({ ...snapshot(), settings: { s0: {} as never } });
    for (let n = 1; n <= 5_000; n++) {
      apply(state, { atMs: n, settings: { [`s${n}`]: {} as never } });
      forgetUnused(state);
    }
    expect(state.settings.size).toBeLessThan(2_100);
    expect(state.settings.has('s0')).toBe(true);
  });

  it('takes no new circuits where there is no room, and goes on with those that it has', () => {
    const state = stateOf(snapshot());
    const circuits = [view({ inFlight: 7 }), ...['a', 'b', 'c'].map((circuitKey) => view({ circuitKey }))];
    const taken = bounded(state, { atMs: 1, circuits }, 3).circuits;
    expect(taken?.map(({ circuitKey }) => circuitKey)).toEqual([KEY, 'a', 'b']);
  });

  it('has one entry for a soft deadline that follows the model, and the very figure of one that does not', () => {
    const table = new SettingsTable();
    const of = (fallbackAfterMs: number) =>
      ({ fallbackAfterMs, fallbacks: [] }) as unknown as CircuitSettings;
    const names = [120.31, 119.62, 120.99].map((ms) => table.nameOf(of(ms)));
    expect(new Set(names).size).toBe(1);
    expect(table.nameOf(of(1_234))).not.toBe(names[0]);
    expect(Object.values(table.all()).map(({ fallbackAfterMs }) => fallbackAfterMs)).toEqual([120, 1_234]);
  });

  it('takes steps, whose idle circuits are left out, and keeps so many', () => {
    const state = stateOf(snapshot());
    apply(state, { atMs: 1, circuits: [view({ circuitKey: 'new' })] });
    for (let atMs = 1; atMs <= 4; atMs++)
      apply(state, {
        atMs,
        steps: [{ process: 'p', atMs, samples: atMs === 3 ? [[KEY, sample({ calls: 7 })]] : [] }],
      });
    const calls = (key: string) => state.circuits.get(idOf('p', key))?.history.map((of) => of.calls);
    expect(calls(KEY)).toEqual([0, 7, 0]);
    expect(calls('new')).toEqual([0, 0, 0]);
    expect(state.processes.get('p')?.steppedAtMs).toBe(4);
    expect(apply(state, { atMs: 5, steps: [{ process: 'nobody', atMs: 5, samples: [] }] }).stepped).toBe(
      true,
    );
  });

  it('removes circuits that are gone, and bounds the timeline', () => {
    const state = stateOf(snapshot());
    for (let atMs = 0; atMs < 50; atMs++) apply(state, { atMs, timeline: [entry({ atMs })] });
    expect(state.circuits.get(idOf('p', KEY))?.timeline).toHaveLength(MOST_ENTRIES);
    expect(apply(state, { atMs: 1, removed: [['p', KEY]] }).removed).toEqual([idOf('p', KEY)]);
    expect(state.circuits.size).toBe(0);
    // an entry of a circuit that nobody has seen
    expect(apply(state, { atMs: 1, timeline: [entry()] }).circuits.size).toBe(0);
  });
});

describe('the strip of states', () => {
  const at = (state: string, fromMs: number, toMs: number) => ({ state, fromMs, toMs });

  it('has no gaps, begins before the first change and ends now', () => {
    const timeline = [
      entry({ atMs: 20, from: 'closed', to: 'open' }),
      entry({ atMs: 50, from: 'open', to: 'half-open' }),
    ];
    expect(segmentsOf(view({ state: 'half-open' }), timeline, 0, 100)).toEqual([
      at('closed', 0, 20),
      at('open', 20, 50),
      at('half-open', 50, 100),
    ]);
    expect(segmentsOf(view({ state: 'half-open' }), timeline, 30, 40)).toEqual([at('open', 30, 40)]);
    expect(segmentsOf(view({ state: 'open' }), [], 0, 10)).toEqual([at('open', 0, 10)]);
  });

  it('shows isolations over the states', () => {
    const timeline = [
      entry({ atMs: 10, from: 'released', to: 'isolated' }),
      entry({ atMs: 20, from: 'closed', to: 'open' }),
      entry({ atMs: 30, from: 'isolated', to: 'released' }),
    ];
    expect(segmentsOf(view({ state: 'open' }), timeline, 0, 40)).toEqual([
      at('closed', 0, 10),
      at('isolated', 10, 20),
      at('isolated', 20, 30),
      at('open', 30, 40),
    ]);
    expect(segmentsOf(view({ isolated: 1 }), [], 0, 10)).toEqual([at('isolated', 0, 10)]);
    expect(segmentsOf(view(), [entry({ atMs: 5, from: 'isolated', to: 'released' })], 0, 10)).toEqual([
      at('isolated', 0, 5),
      at('closed', 5, 10),
    ]);
  });

  it('bears a clock that was set back', () => {
    const timeline = [entry({ atMs: 50, to: 'open' }), entry({ atMs: 20, from: 'open', to: 'half-open' })];
    const segments = segmentsOf(view({ state: 'half-open' }), timeline, 0, 100);
    expect(segments.every(({ fromMs, toMs }) => toMs > fromMs)).toBe(true);
    expect(segments.at(-1)).toEqual(at('half-open', 50, 100));
  });
});

describe('shares and rates', () => {
  const history = [
    sample({ calls: 100, answers: { primary: 100 } }),
    sample({ calls: 10, answers: { default: 5, 'secondary:small': 3, 'last-good': 1, none: 1 } }),
  ];

  it('are those of the last steps, the best source first', () => {
    expect(sharesOf(history, 1).map(({ source, share }) => [source, share])).toEqual([
      ['last-good', 0.1],
      ['secondary:small', 0.3],
      ['default', 0.5],
      ['none', 0.1],
    ]);
    expect(sharesOf([], 5)).toEqual([]);
    expect(rateOf(history, 1, 2_000)).toBe(5);
    expect(rateOf(history, 9, 1_000)).toBe(55);
    expect(rateOf([], 9, 1_000)).toBe(0);
  });

  it('are stacked', () => {
    expect(sourcesOf(history)).toEqual(['primary', 'last-good', 'secondary:small', 'default', 'none']);
    expect(stacked(history, ['last-good', 'default'], 500)).toEqual([
      [0, 2],
      [0, 12],
    ]);
  });
});

describe('trouble', () => {
  const settings = {
    circuit: {
      trip: [
        failureRate({ threshold: 0.5, minimumCalls: 10 }),
        latencyPercentile({ percentile: 99, thresholdMs: 100, minimumCalls: 50 }),
      ],
    },
  };
  const busy = [sample({ calls: 10, answers: { primary: 10 } })];
  const level = (changes: Parameters<typeof view>[0], history = busy): Level =>
    assess(circuitState(changes, [], history), PROCESS, settings as never).level;
  const window = (changes: object) => ({ ...view().window, calls: 50, ...changes });

  it('has levels', () => {
    expect(level({ state: 'open' })).toBe('open');
    expect(level({ state: 'open', isolated: 1 })).toBe('isolated');
    expect(level({ state: 'open', mode: 'observe' })).toBe('observed');
    expect(level({ state: 'half-open' })).toBe('half-open');
    expect(level({ state: 'recovering' })).toBe('recovering');
    expect(level({ window: window({ failureRate: 0.3 }) })).toBe('strained');
    expect(level({ window: window({ latencyMs: { p50: 1, p90: 2, p99: 101 } }) })).toBe('strained');
    expect(level({ window: window({ failureRate: 0.3 }) }, [sample()])).toBe('idle');
    expect(level({}, [sample({ calls: 10, answers: { primary: 9, default: 1 } })])).toBe('degraded');
    expect(level({})).toBe('fine');
    expect(level({}, [])).toBe('idle');
    expect(level({ state: 'open', mode: 'off' })).toBe('fine');
    expect((['open', 'degraded', 'fine', 'idle'] as const).map(isTrouble)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('orders the worst first, and else by name: nothing moves without a reason', () => {
    const subject = (circuitKey: string, changes: Parameters<typeof view>[0] = {}) => {
      const circuit = circuitState({ circuitKey, ...changes }, [], busy);
      return { circuit, assessment: assess(circuit, PROCESS, undefined) };
    };
    const subjects = [
      subject('b'),
      subject('a'),
      subject('c', { state: 'open' }),
      subject('d', { state: 'recovering' }),
    ];
    expect(subjects.toSorted(byTrouble).map(({ circuit }) => circuit.view.circuitKey)).toEqual([
      'c',
      'd',
      'a',
      'b',
    ]);
  });
});

describe('the past on the server', () => {
  it('turns in a ring, and keeps few sources apart', () => {
    const series = new Series(4);
    for (let n = 1; n <= 6; n++)
      series.add(n % 4, sample({ calls: n, p99: n === 5 ? null : n / 3, answers: { [`source-${n}`]: n } }));
    expect(series.samples(6 % 4)).toEqual(
      [3, 4, 5, 6].map((n) =>
        sample({
          calls: n,
          p99: n === 5 ? null : Math.round((n / 3) * 10) / 10,
          answers: { [`source-${n}`]: n },
        }),
      ),
    );
    const many = new Series(2);
    many.add(0, sample({ answers: Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`s${n}`, 1])) }));
    const [only] = many.samples(0);
    expect(Object.keys(only?.answers ?? {})).toHaveLength(9);
    expect(only?.answers.other).toBe(22);
    many.add(1, sample({ answers: JSON.parse('{"__proto__": 2}') }));
    expect(many.samples(1)[1]?.answers.other).toBe(2);
  });

  it('counts between two views, from nothing for a new circuit, and anew after a reset', () => {
    const totals = (admitted: number, rejected: number) => ({
      ...view().totals,
      admitted,
      rejected: { ...view().totals.rejected, CIRCUIT_OPEN: rejected },
    });
    const one = view({ totals: totals(10, 5), answers: [{ source: 'primary', cause: null, count: 10 }] });
    const two = view({
      totals: totals(14, 6),
      answers: [
        { source: 'primary', cause: null, count: 14 },
        { source: 'default', cause: 'failed', count: 1 },
      ],
    });
    expect(sampleBetween(one, two, 1)).toMatchObject({
      calls: 5,
      rejected: 1,
      answers: { primary: 4, default: 1 },
    });
    expect(sampleBetween(undefined, one, 1)).toMatchObject({
      calls: 15,
      rejected: 5,
      answers: { primary: 10 },
    });
    expect(sampleBetween(two, one, 1)).toMatchObject({ calls: 15 });
    expect(sampleBetween(one, two, 0.5)).toMatchObject({ calls: 2.5 });
  });

  it('bounds the timeline, for however many circuits', () => {
    const log = new TimelineLog();
    for (let n = 0; n < 5_000; n++) log.add(entry({ circuitKey: `c${n}` }));
    for (let n = 0; n < 100; n++) log.add(entry({ circuitKey: 'busy', atMs: n }));
    expect(log.take()).toHaveLength(2_000);
    expect(log.take()).toEqual([]);
    expect(log.of('busy').map(({ atMs }) => atMs)).toEqual(Array.from({ length: 20 }, (_, n) => 80 + n));
    expect(log.of('c0')).toEqual([]);
    log.forget('busy');
    expect(log.of('busy')).toEqual([]);
  });
});

it('counts the calls of callers, and not those that a secondary gets for them', () => {
  const subject = (circuitKey: string, rate: number) => ({
    circuit: circuitState({ circuitKey }),
    assessment: { rate },
  });
  expect(callersRate([subject('/a.B/C#m', 3), subject('secondary:small', 2), subject('secondary', 1)])).toBe(
    4,
  );
});
