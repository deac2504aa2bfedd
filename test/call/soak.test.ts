import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readOptions, USAGE } from '../../scripts/soak/options.js';
import { inFull } from '../support/long.js';

const script = fileURLToPath(new URL('../../scripts/soak.ts', import.meta.url));

function soak(...options: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', script, ...options],
    { encoding: 'utf8', timeout: 600_000 },
  );
  return { status, stdout, stderr };
}

const SECONDS = inFull('20', '1');

describe('npm run soak', () => {
  it(`leaves nothing behind after ${SECONDS} s`, () => {
    const { status, stdout } = soak('--seconds', SECONDS);
    expect(stdout).toMatch(/in flight 0, permits 0, timers 0/);
    expect(stdout).toMatch(/MB at the end: flat/);
    expect(status).toBe(0);
  }, 600_000);

  it('reads its options', () => {
    expect(readOptions([])).toEqual({ seconds: 30, seed: 1, help: false });
    expect(readOptions(['--seconds', '5', '--seed', '0'])).toEqual({ seconds: 5, seed: 0, help: false });
    expect(USAGE).toMatch(/--seconds N/);
  });

  it.each([
    [['--seconds', 'soon'], /--seconds: expected a whole number from 1 to 86400, got "soon"/],
    [['--seconds', '0'], /--seconds: expected/],
    [['--seconds'], /--seconds/],
    [['--seconds', '3', '--seed', '-1'], /--seed/],
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
