import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { expectServersGone, readResult, runDemo } from './demo-run.js';

const directory = mkdtempSync(join(tmpdir(), 'failsoft-demo-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('stopping the demo', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    '%s ends it with the result so far, and both servers',
    { timeout: 240_000 },
    async (signal, code) => {
      const file = join(directory, `${signal}.json`);
      const demo = runDemo('--seconds', '600', '--json', file);
      await demo.prints('healthy: ');
      demo.process.kill(signal);
      expect(await demo.ended(), demo.stderr()).toBe(code);
      expect(demo.stdout()).toContain('stopped before its end');
      expect(demo.stdout()).toContain('accuracy');
      expect(demo.stderr()).toBe('');
      expect(readResult(file).phases.map(({ name }) => name)).toEqual(['healthy']);
      await expectServersGone(demo);
    },
  );

  it('ends when its output is closed', { timeout: 240_000 }, async () => {
    const demo = runDemo('--seconds', '12');
    await demo.prints('healthy: ');
    demo.process.stdout?.destroy();
    expect(await demo.ended()).toBe(141);
    expect(demo.stderr()).toBe('');
    await expectServersGone(demo);
  });

  it('leaves no server behind when it is killed', { timeout: 240_000 }, async () => {
    const demo = runDemo('--seconds', '600', '--slow', '7');
    await demo.prints('healthy: ');
    expect(demo.stdout()).toContain('\n21.4 calls/s for 600 s ');
    demo.process.kill('SIGKILL');
    expect(await demo.ended()).toBe('SIGKILL');
    await expectServersGone(demo);
  });
});
