import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Jobs } from '../../scripts/soak/jobs.js';
import { Ledger } from '../../scripts/soak/ledger.js';
import { readOptions, USAGE } from '../../scripts/soak/options.js';
import { job } from '../fallback/deferred/deferred-queue.contract.js';
import { MemoryQueue } from '../fallback/deferred/memory-queue.js';
import { compiled } from '../support/compiled.js';
import { inFull } from '../support/long.js';

const script = compiled('scripts/soak/main.ts', 'scripts/soak/odd-server.ts');
const directory = mkdtempSync(join(tmpdir(), 'failsoft-soak-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function soak(...options: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', script, ...options], {
    encoding: 'utf8',
    timeout: 600_000,
  });
  return { status, stdout, stderr };
}

const SECONDS = inFull('60', '5');

describe('npm run soak', () => {
  it(`loses nothing and leaves nothing behind in ${SECONDS} s of all faults at once`, () => {
    const file = join(directory, 'report.json');
    const { status, stdout, stderr } = soak('--seconds', SECONDS, '--json', file);
    expect(stderr).toBe('');
    const { figures, failures, leftOut } = JSON.parse(readFileSync(file, 'utf8'));
    expect(failures).toEqual([]);
    expect(figures).toMatchObject({ 'jobs lost': 0, 'in flight at the end': 0, 'timers at the end': 0 });
    expect(stdout).toMatch(/nothing is lost, and nothing is left behind/);
    expect(status).toBe(0);
    // It can only find what it does.
    const faults = [
      'cancels',
      'server kills',
      'clock steps',
      'calls with fresh names',
      'calls with odd answers',
    ];
    const services = leftOut.length === 0 ? ['disk full', 'Redis stopped', 'jobs acknowledged'] : [];
    for (const name of [...faults, ...services]) expect(figures[name], name).toBeGreaterThan(0);
    if (process.env.FAILSOFT_REQUIRE_SERVICES === '1') expect(String(leftOut)).not.toMatch(/Redis/);
  }, 600_000);

  it('reads its options', () => {
    expect(readOptions([])).toEqual({ seconds: 30, seed: 1, json: undefined, only: undefined, help: false });
    expect(readOptions(['--seconds', '5', '--seed', '0', '--json', 'a.json'])).toEqual({
      seconds: 5,
      seed: 0,
      json: 'a.json',
      only: undefined,
      help: false,
    });
    expect(USAGE).toMatch(/--seconds N/);
  });

  it.each([
    [['--seconds', 'soon'], /--seconds: expected a whole number from 1 to 86400, got "soon"/],
    [['--seconds', '0'], /--seconds: expected/],
    [['--seconds'], /--seconds/],
    [['--seconds', '3', '--seed', '-1'], /--seed/],
    [['--json', ''], /--json: expected the path of a file/],
    [['--only', 'disk'], /--only: expected one of kinds, models, odd, level, bull, got "disk"/],
    [['--minutes', '3'], /--minutes/],
    [['3'], /3/],
  ] as const)('refuses %j with a message that names it', (options, message) => {
    expect(() => readOptions(options)).toThrow(message);
  });

  it('ends with 2 and its options after a bad one', () => {
    const { status, stderr } = soak('--seconds', 'soon');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^--seconds: expected a whole number.*\n\nUsage: npm run soak/);
  });
});

describe("the soak's account of jobs", () => {
  const account = () => {
    const ledger = new Ledger();
    return { ledger, jobs: new Jobs('test', ledger) };
  };

  it('misses an acknowledged job that was neither predicted nor given up', async () => {
    const { ledger, jobs } = account();
    jobs.acknowledged('a', 'text');
    await jobs.settle(new MemoryQueue());
    expect(ledger.failures).toEqual([expect.stringMatching(/^test: 1 acknowledged jobs are lost, a first/)]);
    expect(ledger.of('jobs lost')).toBe(1);
  });

  it('misses no job that was predicted, before or after its acknowledgement, or given up with a reason', async () => {
    const { ledger, jobs } = account();
    jobs.predicted('early', 'text', 'text');
    for (const id of ['early', 'late', 'dead']) jobs.acknowledged(id, 'text');
    jobs.predicted('late', 'text', 'text');
    const dead = [{ job: job('dead'), reason: 'expired', diedAtMs: 1 }];
    await jobs.settle(Object.assign(new MemoryQueue(), { dead: async () => dead }));
    expect(ledger.failures).toEqual([]);
  });

  it("notices another job's request, or answer", () => {
    const { ledger, jobs } = account();
    jobs.acknowledged('a', 'asked');
    jobs.predicted('a', 'other', 'other');
    jobs.predicted('b', 'asked', 'other');
    expect(ledger.failures).toHaveLength(2);
  });
});
