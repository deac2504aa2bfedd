import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/soak.ts', import.meta.url));

function soak(...options: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', script, ...options],
    { encoding: 'utf8', timeout: 600_000 },
  );
  return { status, stdout, stderr };
}

describe('npm run soak', () => {
  it('leaves nothing behind after three seconds', () => {
    const { status, stdout } = soak('--seconds', '3');
    expect(stdout).toMatch(/in flight 0, permits 0, timers 0/);
    expect(stdout).toMatch(/MB at the end: flat/);
    expect(status).toBe(0);
  }, 600_000);

  it('tells its options', () => {
    const { status, stdout } = soak('--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/--seconds N/);
  });

  it.each([
    [['--seconds', 'soon'], /--seconds: expected a whole number from 1 to 86400, got "soon"/],
    [['--seconds', '0'], /--seconds: expected/],
    [['--seconds'], /--seconds/],
    [['--seconds', '3', '--seed', '-1'], /--seed/],
    [['--minutes', '3'], /--minutes/],
    [['3'], /3/],
  ] as const)('says what is wrong with %j', (options, message) => {
    const { status, stderr } = soak(...options);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});
