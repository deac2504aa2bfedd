import { describe, expect, it } from 'vitest';
import { DemoRecord } from '../../examples/demo/record.js';
import { conclusion, phaseLine, Screen, table, transitionLine } from '../../examples/demo/report.js';

function screen(columns: number) {
  const written: string[] = [];
  return {
    written,
    screen: new Screen(
      (text) => written.push(text),
      () => columns,
    ),
  };
}

const CLEAR = '\r\u001b[2K';

describe('the screen', () => {
  it('redraws its last line, cut to the width, and clears it for the next', () => {
    const { written, screen: shown } = screen(6);
    shown.progress('one');
    shown.progress('a long one');
    shown.line('all of this line');
    shown.line('two');
    expect(written).toEqual([`${CLEAR}one`, `${CLEAR}a lon`, `${CLEAR}all of this line\n`, 'two\n']);
  });

  it('shows no progress where nothing can be redrawn', () => {
    const { written, screen: shown } = screen(0);
    shown.progress('one');
    shown.line('two');
    expect(written).toEqual(['two\n']);
  });
});

describe('the report', () => {
  it('counts answers by source, errors, percentiles and accuracy', async () => {
    const record = new DemoRecord();
    const healthy = record.begin('healthy');
    for (let call = 1; call <= 100; call++) {
      healthy.callBegins();
      record.callEnds(healthy, { source: 'primary', level: call <= 90 ? 3 : 0 }, 3, call);
    }
    const killed = record.begin('killed');
    for (const [ending, tookMs] of [
      [{ source: 'default', level: 2 }, 1],
      [{ source: 'default', level: 3 }, 2],
      [{ error: '14 UNAVAILABLE: no' }, 3],
      [{ error: '14 UNAVAILABLE: no' }, 4],
    ] as const) {
      killed.callBegins();
      record.callEnds(killed, ending, 3, tookMs);
    }
    await killed.settled();

    expect(record.result(30, 1)).toMatchObject({
      phases: [
        {
          name: 'healthy',
          calls: 100,
          answers: { primary: 100 },
          errors: 0,
          latencyMs: { p50: 50, p99: 99 },
        },
        { name: 'killed', calls: 4, answers: { default: 2 }, errors: 2, latencyMs: { p50: 2, p99: 4 } },
      ],
      accuracy: { primary: 0.9, default: 0.5 },
    });
    expect([...record.errorMessages]).toEqual([['14 UNAVAILABLE: no', 2]]);
    expect(table(record).split('\n')).toEqual([
      'phase     calls  primary  last-good  secondary:small  default  errors  p50 ms  p99 ms',
      '--------  -----  -------  ---------  ---------------  -------  ------  ------  ------',
      'healthy     100      100          0                0        0       0    50.0    99.0',
      'killed        4        0          0                0        2       2     2.0     4.0',
      '--------  -----  -------  ---------  ---------------  -------  ------  ------  ------',
      'accuracy           0.900          -                -    0.500',
    ]);
    expect(phaseLine(killed)).toContain('killed: 4 calls; primary 0,');
    expect(conclusion(record)).toBe(
      '104 calls, 2 errors seen by callers. While the primary was slow, failing or dead, 25.0 % of 4 calls were answered ' +
        'right, against 90.0 % when all was well.',
    );
  });

  it('waits for the last call of a phase', async () => {
    const phase = new DemoRecord().begin('failing');
    phase.callBegins();
    let settled = false;
    const waiting = phase.settled().then(() => {
      settled = true;
    });
    await Promise.resolve();
    expect(settled).toBe(false);
    phase.callEnds({ error: 'no' }, false, 1);
    await waiting;
  });

  it('is printed without any call too', () => {
    const record = new DemoRecord();
    record.begin('healthy');
    expect(record.result(30, 1).phases[0]?.latencyMs).toEqual({ p50: null, p99: null });
    expect(table(record)).toContain('accuracy');
    expect(conclusion(record)).toBe('0 calls, 0 errors seen by callers.');
  });

  it('names the model of a circuit', () => {
    const transition = { atMs: 1_234, circuitKey: '/a.B/C#large', from: 'closed', to: 'open', reason: 'why' };
    expect(transitionLine(transition)).toBe('   1.23 s    large closed -> open: why');
  });
});
