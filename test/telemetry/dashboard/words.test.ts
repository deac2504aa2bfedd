import { createGuard, failureRate, latencyPercentile, slowRate } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import * as format from '../../../src/telemetry/dashboard/view/format.js';
import { circuitName, shown, sourceName } from '../../../src/telemetry/dashboard/view/names.js';
import type { CircuitView, TimelineEntry } from '../../../src/telemetry/dashboard/view/protocol.js';
import type { CircuitState } from '../../../src/telemetry/dashboard/view/state.js';
import {
  limitsOf,
  moveInWords,
  nextInWords,
  reasonInWords,
  shareOf,
  troubleInWords,
} from '../../../src/telemetry/dashboard/view/words.js';
import { call, HOSTILE, METHOD } from './support.js';
import { circuitState, entry, view } from './views.js';

/** With plain spaces, which a test can be read with. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');

describe('numbers', () => {
  it.each([
    [
      format.duration,
      [
        [0, '0 s'],
        [-5, '0 s'],
        [59_999, '59 s'],
        [185_000, '3 min 5 s'],
        [7_800_000, '2 h 10 min'],
        [356_400_000, '4 d 3 h'],
      ],
    ],
    [
      format.countdown,
      [
        [-1, '0.0 s'],
        [800, '0.8 s'],
        [9_949, '9.9 s'],
        [9_950, '10 s'],
        [61_000, '1 min 1 s'],
      ],
    ],
    [
      format.percent,
      [
        [0, '0 %'],
        [0.001, '<1 %'],
        [0.41, '41 %'],
        [0.999, '>99 %'],
        [1, '100 %'],
      ],
    ],
    [
      format.perSecond,
      [
        [0, '0'],
        [0.01, '<0.1'],
        [0.42, '0.4'],
        [9.96, '10'],
        [1234.4, '1 234'],
      ],
    ],
    [
      format.latency,
      [
        [0.42, '0.4 ms'],
        [3, '3 ms'],
        [16.4, '16 ms'],
        [999.6, '1.0 s'],
        [1_240, '1.2 s'],
        [45_000, '45 s'],
      ],
    ],
    [
      format.whole,
      [
        [0, '0'],
        [999, '999'],
        [1_234_567, '1 234 567'],
      ],
    ],
    [
      format.setting,
      [
        [60_000, '60000'],
        [0.05, '0.05'],
        [1333.3333333333335, '1333.333'],
        [Number.POSITIVE_INFINITY, 'Infinity'],
      ],
    ],
  ] as const)('%o', (of, cases) => {
    for (const [value, text] of cases) expect(plain(of(value))).toBe(text);
  });

  it('of times that are no numbers are dashes', () => {
    expect(format.timeOfDay(Number.NaN)).toBe('--:--:--');
  });
});

describe('names', () => {
  it.each([
    [
      '/inference.GRPCInferenceService/ModelInfer#demand-large',
      'demand-large',
      'GRPCInferenceService/ModelInfer',
    ],
    ['/a.b.Service/Method', 'Method', 'Service'],
    ['eu/a.b.Service/Method#m', 'm', 'Service/Method at eu'],
    ['feature-store', 'feature-store', ''],
    ['secondary:small', 'small', 'secondary model'],
    ['secondary:small~2', 'small~2', 'secondary model'],
    ['', '', ''],
  ])('of %j', (key, name, place) => {
    expect(circuitName(key)).toMatchObject({ name, place });
  });

  it('show invisible characters, and characters that would change the text around them', () => {
    expect(shown('a\u202eb\u2066c\u200bd\ne\u0000')).toBe('a\\u202eb\\u2066c\\u200bd\\u000ae\\u0000');
    expect(shown('häßlich 模型 🚀')).toBe('häßlich 模型 🚀');
    expect(shown('\ud800')).toBe('\ufffd');
    for (const name of HOSTILE) {
      expect(shown(name).length).toBeLessThan(200);
      expect(shown(name)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  it('of sources', () => {
    expect(['primary', 'secondary:small', 'secondary:', 'none'].map(sourceName)).toEqual([
      'primary',
      'small',
      'secondary:',
      'errors',
    ]);
  });
});

describe('reasons', () => {
  it.each([
    ['failure-rate 0.50 >= 0.50 over 40 calls', 'half of 40 calls failed'],
    ['failure-rate 1.00 >= 0.50 over 20 calls', 'all 20 calls failed'],
    ['slow-rate 0.83 >= 0.80 over 120 calls', '83 % of 120 calls were slow'],
    ['consecutive-failures 5 >= 5', '5 calls in a row failed'],
    ['consecutive-failures 1 >= 1', '1 call in a row failed'],
    [
      'latency-percentile p99 over 300 ms: 3 of 100 calls took longer',
      'p99 is over 300 ms: 3 of 100 calls took longer',
    ],
    [
      'adaptive latency 80 ms far above its average 20 ms over 20 calls',
      'latency 80 ms far above its average 20 ms over 20 calls',
    ],
    ['a rule of tomorrow', 'a rule of tomorrow'],
    ['a\u202eb', 'a\\u202eb'],
  ])('%s', (reason, words) => {
    expect(plain(reasonInWords(reason))).toBe(words);
  });

  it('of all trip rules are known', () => {
    const rules = [
      failureRate({ threshold: 0.5, minimumCalls: 4 }),
      slowRate({ threshold: 0.5, slowThresholdMs: 10, minimumCalls: 4 }),
      latencyPercentile({ percentile: 50, thresholdMs: 10, minimumCalls: 4 }),
    ];
    for (const rule of rules) {
      const guard = createGuard({ circuit: { trip: [rule] }, clock: new ManualClock() });
      const reasons: string[] = [];
      guard.on('transition', ({ reason }) => void reasons.push(reason));
      call(guard.circuit(METHOD), rule.rule === 'failure-rate' ? 'failure' : 'success', 4, 50);
      const [reason = ''] = reasons;
      expect(reason).not.toBe('');
      expect(reasonInWords(reason)).not.toBe(reason);
    }
  });
});

describe('the trouble, in a sentence', () => {
  const NOW = 1_000_000;
  const shares = [
    { source: 'last-good', count: 41, share: 0.41 },
    { source: 'secondary:small', count: 46, share: 0.46 },
    { source: 'default', count: 13, share: 0.13 },
  ];
  const opened = (changes: Partial<CircuitView> = {}, timeline?: TimelineEntry[]): CircuitState =>
    circuitState(
      { state: 'open', sinceMs: NOW - 12_000, openUntilMs: NOW + 800, openings: 1, ...changes },
      timeline ?? [
        entry({
          atMs: NOW - 12_000,
          from: 'closed',
          to: 'open',
          reason: 'failure-rate 0.50 >= 0.50 over 40 calls',
        }),
      ],
    );

  it('for an open circuit', () => {
    expect(plain(troubleInWords(opened(), shares, NOW))).toBe(
      'open since 12 s, half of 40 calls failed; next probe in 0.8 s; callers get last-good 41 %, small 46 %, default 13 %',
    );
  });

  it('counts an outage from its first opening, with its reason', () => {
    const timeline = [
      entry({ atMs: NOW - 90_000, from: 'closed', to: 'open', reason: 'consecutive-failures 9 >= 9' }),
      entry({ atMs: NOW - 80_000, from: 'recovering', to: 'closed' }),
      entry({ atMs: NOW - 42_000, from: 'closed', to: 'open', reason: 'consecutive-failures 5 >= 5' }),
      entry({ atMs: NOW - 20_000, from: 'open', to: 'half-open' }),
      entry({ atMs: NOW - 19_000, from: 'half-open', to: 'open', reason: 'the probe failed' }),
    ];
    expect(plain(troubleInWords(opened({ openings: 2 }, timeline), [], NOW))).toBe(
      'open since 42 s, 5 calls in a row failed; opened 2 times; next probe in 0.8 s',
    );
  });

  it.each([
    [opened({ nextCheckAtMs: NOW + 300 }), 'next check in 0.3 s'],
    [opened({ nextCheckAtMs: NOW + 3_000 }), 'next probe in 0.8 s'],
    [opened({ nextCheckAtMs: NOW }), 'a check is on its way'],
    [opened({ openUntilMs: NOW - 1 }), 'next probe with the next call'],
    [opened({ isolated: 1 }), 'until it is released'],
    [opened({ state: 'half-open', openUntilMs: null }), 'the next call is the probe'],
    [opened({ state: 'half-open', openUntilMs: null, inFlight: 1 }), 'a probe is on its way'],
    [opened({ state: 'recovering', openUntilMs: null }), 'it gets a growing share of the calls'],
    [opened({ state: 'closed', openUntilMs: null }), ''],
  ])('says what comes next (%#)', ({ view: of }, words) => {
    expect(plain(nextInWords(of, NOW))).toBe(words);
  });

  it('for circuits that only observe, are isolated, or fail without being open', () => {
    expect(troubleInWords(opened({ mode: 'observe' }), [], NOW)).toMatch(/^would be open since/);
    expect(troubleInWords(opened({ isolated: 2 }), [], NOW)).toMatch(
      /^isolated since .*, isolated by hand; until/,
    );
    const window = { calls: 50, unhealthy: 20, failureRate: 0.4, slowRate: null, latencyMs: null };
    expect(plain(troubleInWords(circuitState({ window }), [], NOW))).toBe('40 % of 50 calls failed');
    expect(troubleInWords(circuitState(), shares, NOW)).toMatch(
      /^callers get fallbacks; callers get last-good/,
    );
  });

  it('for moves', () => {
    expect(plain(moveInWords(entry({ to: 'open', reason: 'the probe failed', openForMs: 4_500 })))).toBe(
      'closed to open: the probe failed, for 4.5 s',
    );
    expect(moveInWords(entry({ to: 'open', mode: 'observe' }))).toContain('(observe: nothing is rejected)');
    expect(moveInWords(entry({ from: 'released', to: 'isolated', reason: 'isolated by hand' }))).toBe(
      'isolated by hand',
    );
  });

  it('for shares', () => {
    expect([shareOf(0, 0), shareOf(1, 1), shareOf(0.62, 50)].map(plain)).toEqual([
      'none of the calls',
      'all 1 call',
      '62 % of 50 calls',
    ]);
  });
});

describe('limits', () => {
  it('are those of the trip rules', () => {
    const trip = [
      failureRate({ threshold: 0.4, minimumCalls: 10 }),
      slowRate({ threshold: 0.5, slowThresholdMs: 250, minimumCalls: 10 }),
      latencyPercentile({ percentile: 99, thresholdMs: 200, minimumCalls: 100 }),
    ];
    expect(limitsOf({ trip })).toEqual({ latencyMs: 200, failureRate: 0.4 });
    expect(limitsOf({})).toEqual({ latencyMs: null, failureRate: null });
    expect(limitsOf(null)).toEqual({ latencyMs: null, failureRate: null });
  });

  it('of another program may be anything', () => {
    for (const trip of ['x', [null], [1], [{ rule: 'failure-rate', threshold: 'x' }], {}])
      expect(limitsOf({ trip } as never)).toEqual({ latencyMs: null, failureRate: null });
  });

  it('has a view without calls', () => {
    expect(view().window.calls).toBe(0);
  });
});
