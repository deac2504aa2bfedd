import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { OWN_HOST } from '../support/own-host.js';
import { expectServersGone, readResult, runDemo } from './demo-run.js';
import { DEMO, run } from './support.js';

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

  it('serves its page meanwhile, with buttons that kill the primary and mend it', {
    timeout: 240_000,
  }, async () => {
    const demo = run(DEMO, '--host', OWN_HOST, '--seconds', '600', '--slow', '2', '--keep');
    await demo.prints('healthy: ');
    const [, url = '', token = ''] =
      /the page: (http:\/\/127\.0\.0\.1:\d+\/)#token=(\S+)/.exec(demo.stdout()) ?? [];
    const page = await (await fetch(url)).text();
    for (const label of ['Slow', 'Failing', 'Kill', 'Healthy']) expect(page).toContain(`"label":"${label}"`);
    const press = (index: number) =>
      fetch(`${url}control?action=run&index=${index}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, origin: new URL(url).origin },
      });
    // kills the primary, and mends it
    expect((await press(2)).status).toBe(200);
    await demo.prints('closed -> open');
    expect((await press(3)).status).toBe(200);
    await demo.prints('recovering -> closed');
    demo.process.kill('SIGINT');
    expect(await demo.ended(), demo.stderr()).toBe(130);
    // how many errors depends on the machine: other tests run beside the demo here
    expect(demo.stdout()).toContain(' errors seen by callers');
  });

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
