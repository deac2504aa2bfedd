import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ENGINES, type EngineName } from '../../examples/demo/options.js';
import { PHASES } from '../../examples/demo/phases.js';
import { HEADERS, SOURCES } from '../../examples/demo/report.js';
import { inFull } from '../support/long.js';
import { expectServersGone, readResult, runDemo } from './demo-run.js';

/** In slow motion, so that a busy machine can follow: what is late by the clock of the story is very late. */
const SLOW = inFull(4, 3);
const SECONDS = 8 * SLOW;
/** Of a call of the demo, in milliseconds. */
const DEADLINE_MS = 300 * SLOW;

const directory = mkdtempSync(join(tmpdir(), 'failsoft-demo-'));
afterAll(() => rmSync(directory, { recursive: true }));

const pace = ['--seconds', String(SECONDS), '--slow', String(SLOW)] as const;

async function expectStory(engine: EngineName): Promise<void> {
  const file = join(directory, `${engine}.json`);
  const demo = runDemo(...pace, '--json', file, '--engine', engine);
  expect(await demo.ended(), demo.stderr()).toBe(0);
  await expectServersGone(demo);
  const result = readResult(file);

  expect(Object.keys(result)).toEqual(['seconds', 'seed', 'phases', 'accuracy', 'transitions']);
  expect(result).toMatchObject({ seconds: SECONDS, seed: 1 });
  expect(result.phases.map(({ name }) => name)).toEqual(PHASES.map(({ name }) => name));
  for (const phase of result.phases) {
    expect(Object.keys(phase)).toEqual(['name', 'calls', 'answers', 'errors', 'latencyMs']);
    expect(phase.calls).toBeGreaterThan(50);
    expect(phase.errors, `errors in ${phase.name}: ${demo.stdout()}`).toBe(0);
    expect(Object.values(phase.answers).reduce((sum, count) => sum + count)).toBe(phase.calls);
    const { p50, p99 } = phase.latencyMs;
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50 ?? 0);
  }

  const [healthy, brownout, failing, killed, restarted, recovered] = result.phases;
  expect(healthy?.answers.primary).toBeGreaterThan(50);
  // Which of them answers in which phase depends on how many calls the machine makes there: each call goes to the first that can.
  for (const source of SOURCES.slice(1)) {
    const answers = [brownout, failing, killed].map((phase) => phase?.answers[source] ?? 0);
    expect(Math.max(...answers), source).toBeGreaterThan(0);
  }
  expect(killed?.answers.primary).toBeUndefined();
  // Half of the calls: a machine that stands still for a moment delays some of them.
  expect(killed?.latencyMs.p50).toBeLessThan(DEADLINE_MS / 2);
  expect((restarted?.answers.primary ?? 0) + (recovered?.answers.primary ?? 0)).toBeGreaterThan(50);

  expect(Object.keys(result.accuracy).sort()).toEqual([...SOURCES].sort());
  const {
    primary = 0,
    'last-good': kept = 0,
    'secondary:small': small = 0,
    default: usual = 1,
  } = result.accuracy;
  expect(Math.min(primary, kept, small)).toBeGreaterThan(usual);
  expect(primary).toBeGreaterThan(small);

  const { transitions } = result;
  for (const transition of transitions) {
    expect(Object.keys(transition)).toEqual(['atMs', 'circuitKey', 'from', 'to', 'reason']);
    expect(transition.circuitKey).toBe('/inference.GRPCInferenceService/ModelInfer#demand-large');
    expect(transition.reason).not.toBe('');
  }
  const times = transitions.map(({ atMs }) => atMs);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(transitions[0]).toMatchObject({ from: 'closed', to: 'open' });
  expect(transitions[0]?.reason).toContain('failure-rate');
  // Not the last one: a machine that stands still for 150 ms opens it anew.
  expect(transitions.map(({ to }) => to)).toContain('closed');

  const lines = demo.stdout().split('\n');
  expect(lines.some((line) => line.split(/ {2,}/).join() === HEADERS.join())).toBe(true);
  expect(demo.stdout()).not.toContain('\u001b');
}

it('serves every call through an outage, and closes the circuit again, on either engine', {
  timeout: 240_000,
}, async () => {
  const named = (engine: EngineName) =>
    expectStory(engine).catch((cause: unknown) => {
      throw new Error(`the demo on the ${engine} engine`, { cause });
    });
  await Promise.all(ENGINES.map(named));
});
