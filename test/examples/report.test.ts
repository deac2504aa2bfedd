import { createGuard } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { liveView } from '../../examples/demo/live-view.js';
import { DemoRecord } from '../../examples/demo/record.js';
import { conclusion, phaseLine, table, transitionLine } from '../../examples/demo/report.js';
import { Screen } from '../../examples/demo/screen.js';

function screen(columns: number, rows = 24) {
  const written: string[] = [];
  return {
    written,
    screen: new Screen(
      (text) => written.push(text),
      () => ({ columns, rows }),
    ),
  };
}

const UP = '\u001b[1A\u001b[2K';

describe('the screen', () => {
  it('draws a view over the view before, cut to the width and height, and clears it for a line', () => {
    const { written, screen: shown } = screen(6, 3);
    shown.draw(['one']);
    shown.draw(['a long one', '\u001b[31mred text\u001b[0m', 'too high']);
    shown.line('all of this line');
    shown.line('two');
    expect(written).toEqual([
      'one\n',
      `${UP}\ra lon\n\u001b[31mred t\u001b[0m\n`,
      `${UP}${UP}\rall of this line\n`,
      'two\n',
    ]);
  });

  it('draws nothing where nothing can be drawn over', () => {
    const { written, screen: shown } = screen(0);
    shown.draw(['one']);
    shown.line('two');
    expect(written).toEqual(['two\n']);
  });
});

describe('the view of a terminal', () => {
  it.each([true, false])('has a row per phase within 80 columns (colours: %s)', (hasColours) => {
    const record = new DemoRecord();
    const facts = { phaseMs: 5_000, inPhaseMs: 2_500, nowMs: 0, hasColours };
    expect(liveView(record, { ...facts, circuit: undefined })).toHaveLength(12);
    for (const name of ['healthy', 'brownout']) {
      const phase = record.begin(name);
      for (let n = 0; n < 12_345; n++) phase.callEnds({ source: 'last-good', level: 1 }, true, 1);
    }
    const guard = createGuard();
    const circuit = guard.circuit('/a.B/C');
    for (let n = 0; n < 5; n++) {
      const permit = circuit.acquire();
      if (permit.admitted) permit.settle('failure', 1);
    }
    const snapshot = circuit.snapshot();
    const lines = liveView(record, { ...facts, circuit: { ...snapshot, openUntilMs: 800 } });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what begins a colour is one
    const plain = lines.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''));
    expect(plain.join() === lines.join()).toBe(!hasColours);
    for (const line of plain) expect(line.length).toBeLessThanOrEqual(80);
    expect(plain[1]).toMatch(/^ {2}healthy +############ +12345 +12345 +0$/);
    expect(plain[2]).toMatch(/^> brownout +######\.{6} /);
    expect(plain[3]).toMatch(/^ {2}failing +\.{12}$/);
    expect(plain).toContain('  circuit: open, next probe in 0.8 s');
    expect(lines).toHaveLength(12);
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
