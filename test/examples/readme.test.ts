import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PHASES } from '../../examples/demo/phases.js';
import { HEADERS } from '../../examples/demo/report.js';
import { resolveOptions } from '../../src/circuit/options/resolve.js';
import { path } from './support.js';

const readme = readFileSync(path('README.md'), 'utf8');

/** The text between two marks. */
function part(name: string): string {
  const [, text = ''] = new RegExp(`<!-- ${name} -->\\n(.*?)<!-- /${name} -->`, 's').exec(readme) ?? [];
  return text;
}

describe('the README', () => {
  it('shows the demo as it is: every phase, the table, no caller with an error', () => {
    const lines = part('demo').split('\n');
    for (const { name, description } of PHASES) expect(part('demo')).toContain(`${name}: ${description}`);
    const header = lines.findIndex((line) => line.startsWith('phase '));
    expect(lines[header]?.split(/ {2,}/)).toEqual([...HEADERS]);
    const rows = lines.slice(header + 2, header + 2 + PHASES.length).map((line) => line.split(/ {2,}/));
    expect(rows.map(([name]) => name)).toEqual(PHASES.map(({ name }) => name));
    expect(rows.map((row) => row[HEADERS.indexOf('errors')])).toEqual(PHASES.map(() => '0'));
  });

  it('is short, and shows a guarded client with fallbacks within its first 30 lines', () => {
    const lines = readme.split('\n');
    expect(lines.length).toBeLessThanOrEqual(230);
    const first = lines.slice(0, 30).join('\n');
    for (const step of [
      'createGuard(',
      'guard.clientOptions()',
      '.register(modelInfer, [',
      "guard.on('transition'",
    ])
      expect(first).toContain(step);
  });

  it("states the circuit's defaults", () => {
    expect(resolveOptions(undefined, 'circuit')).toEqual({
      trip: [
        { rule: 'consecutive-failures', failures: 5 },
        { rule: 'failure-rate', threshold: 0.5, minimumCalls: 20 },
      ],
      window: { type: 'count', size: 100 },
      open: { baseMs: 1_000, multiplier: 1.2, maxMs: 60_000, jitter: 'equal', maxPushbackMs: 60_000 },
      halfOpen: { permittedProbes: 1, successThreshold: 1, probeTimeoutMs: 10_000 },
      recovering: { durationMs: 5_000, initialShare: 0.05 },
      concurrency: false,
      throttle: false,
      mode: 'enforce',
    });
    const stated = new Map(
      readme.split('\n').flatMap((line) => {
        const [, what = '', ours = ''] = line.split(' | ').join('|').split('|');
        return ours === '' ? [] : [[what.trim(), ours.trim()] as const];
      }),
    );
    expect(Object.fromEntries(stated)).toMatchObject({
      'trips on failures in a row': '5',
      'or on a failure rate': '50 % of ≥ 20 calls',
      window: 'last 100 calls',
      'open for': '1 s, ×1.2 up to 60 s',
      jitter: 'half of it is random: 0.5 to 1 s at first',
      "server's push-back": 'respected, up to 60 s',
      'probes in half-open': '1',
      'unsettled probe': 'fails after 10 s',
      'after recovery': 'few calls at first, twice as many with each round trip, all after 5 s',
    });
  });

  it('names the lowest grpc-js of each minor version that the manifest takes', () => {
    const { peerDependencies } = JSON.parse(readFileSync(path('package.json'), 'utf8'));
    const lowest: string[] = peerDependencies['@grpc/grpc-js'].match(/\d+\.\d+\.\d+/g);
    expect(readme.replaceAll('\n', ' ')).toContain(
      `\`@grpc/grpc-js\` is a peer dependency: ${lowest.join(', ')} or later.`,
    );
  });
});
