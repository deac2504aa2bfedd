import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HELP, parseOptions, UsageError } from '../../examples/demo/options.js';
import { DEMO, run } from './support.js';

describe("the demo's options", () => {
  it('has defaults', () => {
    expect(parseOptions([])).toEqual({
      seconds: 30,
      slow: 1,
      engine: 'native',
      host: '127.0.0.1',
      seed: 1,
      keep: false,
      port: 0,
      headless: false,
      json: undefined,
    });
  });

  it('takes all of them', () => {
    const file = join(tmpdir(), 'x.json');
    const args = [
      '--seconds',
      '6',
      '--slow',
      '4',
      '--engine',
      'opossum',
      '--host',
      '::1',
      '--seed=0',
      '--keep',
      '--port=9300',
      '--headless',
      '--json',
      file,
    ];
    expect(parseOptions(args)).toEqual({
      seconds: 6,
      slow: 4,
      engine: 'opossum',
      host: '::1',
      seed: 0,
      keep: true,
      port: 9_300,
      headless: true,
      json: file,
    });
  });

  it.each([
    [['--seconds', 'abc'], /--seconds: expected an integer from 6 to 3600, got "abc"/],
    [['--seconds', '5'], /--seconds: .*got "5"/],
    [['--seconds', '3601'], /--seconds: .*got "3601"/],
    [['--seconds', '7.5'], /--seconds/],
    [['--seconds', '1e2'], /--seconds/],
    [['--seconds='], /--seconds/],
    [['--seconds'], /--seconds/],
    [['--host', 'localhost'], /--host: expected an IP address, got "localhost"/],
    [['--slow', '0'], /--slow: expected an integer from 1 to 100, got "0"/],
    [['--seed', '-1'], /--seed/],
    [['--seed', '0x10'], /--seed/],
    [['--engine', 'none'], /--engine: expected one of native, opossum, got "none"/],
    [['--json', '/nowhere/at/all/x.json'], /--json: expected a file that can be written, in a directory/],
    [['--json', tmpdir()], /--json: expected a file that can be written/],
    [['--json', `${tmpdir()}/`], /--json: expected a file/],
    [['--json='], /--json: expected a file that can be written.*got ""/],
    [['--json', '/dev/null/x.json'], /--json: expected a file/],
    [['--headless=yes'], /--headless/],
    [['--port', '65536'], /--port: expected an integer from 0 to 65535/],
    [['--speed', '3'], /--speed/],
    [['fast'], /fast/],
  ])('%j is refused', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it('prints a clear error and exits with 2', async () => {
    const demo = run(DEMO, '--seconds', 'soon');
    expect(await demo.ended()).toBe(2);
    expect(demo.stderr()).toBe(
      'demo: --seconds: expected an integer from 6 to 3600, got "soon"\nTry --help.\n',
    );
    expect(demo.stdout()).toBe('');
  });

  it('prints its help', async () => {
    const demo = run(DEMO, '--help');
    expect(await demo.ended()).toBe(0);
    expect(demo.stdout()).toBe(HELP);
  });
});
