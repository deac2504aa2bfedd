import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inFull } from '../support/long.js';
import { OWN_HOST } from '../support/own-host.js';
import { hasPrometheus, startPrometheus } from '../support/prometheus.js';
import { path, run } from './support.js';

const DIRECTORY = 'examples/observability/';
const text = (file: string) => readFileSync(path(`${DIRECTORY}${file}`), 'utf8');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string }[];
}

const { panels }: { readonly panels: readonly Panel[] } = JSON.parse(text('dashboard.json'));

/** The query as Grafana sends it for all jobs. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '10s').replaceAll('$job', '.*');
}

const queries = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => ({ title, query: filledIn(expr) })),
);
const rules = text('failsoft.rules.yml');
const alerts = rules.match(/- alert: \w+/g) ?? [];

/**
 * What the alerts compare, by their names: an expression without its last comparison has data also while nothing is wrong. Two hold
 * only in trouble that the demo does not have, a dead job and a troubled store, and so does a queue that grows for long; without
 * their comparison they have data too.
 */
const alertQueries = [
  ...rules.matchAll(/- alert: (\w+)\n(?: {8}#.*\n)* {8}expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/g),
].map(([, title = '', block = '', line = '']) => ({
  title,
  query: (block || line).trim().replace(/ [><=]+ [\d.]+$/, ''),
}));

/**
 * Shorter phases would be over before Prometheus has seen an open circuit twice: it begins to scrape five seconds after its start,
 * and the model must fail then.
 */
const DEMO_SECONDS = inFull(18, 14);

describe('the dashboard', () => {
  it('has panels that do not overlap, each with a query', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { targets } of panels) expect(targets.length).toBeGreaterThan(0);
    for (const { query } of queries) expect(query).not.toContain('$');
    expect(alertQueries.map(({ title }) => `- alert: ${title}`)).toEqual(alerts);
  });
});

describe.skipIf(!hasPrometheus)('with the programs of Prometheus', () => {
  const promtool = (...args: string[]) =>
    promisify(execFile)('promtool', args, { cwd: path(DIRECTORY) }).then(({ stdout }) => stdout);

  it('the alert rules are valid, and pass their tests', async () => {
    expect(await promtool('check', 'rules', 'failsoft.rules.yml')).toContain(`${alerts.length} rules found`);
    expect(await promtool('check', 'config', 'prometheus.yml')).toContain('SUCCESS');
    expect(await promtool('test', 'rules', 'failsoft.rules.test.yml')).toContain('SUCCESS');
    const tested = text('failsoft.rules.test.yml');
    for (const alert of alerts) expect(tested).toContain(`alertname: ${alert.slice('- alert: '.length)}`);
  });

  it('every query of the dashboard has data from a Prometheus that scrapes the demo, and every rule is evaluated', {
    timeout: 120_000,
  }, async () => {
    const demo = run(
      'examples/demo/main.ts',
      '--host',
      OWN_HOST,
      '--seconds',
      String(DEMO_SECONDS),
      '--keep',
    );
    await demo.prints('/metrics\n');
    const target = /metrics for Prometheus: http:\/\/(\S+)\/metrics/.exec(demo.stdout())?.[1];
    const config = text('prometheus.yml')
      .replaceAll('_interval: 5s', '_interval: 250ms')
      .replace('127.0.0.1:9464', target ?? 'no address')
      .replace('failsoft.rules.yml', path(`${DIRECTORY}failsoft.rules.yml`));
    const prometheus = await startPrometheus(config);
    onTestFinished(() => prometheus.stop());
    const expected = [...queries, ...alertQueries];
    // a circuit is not always open, so each query has its own moment, which may be over when it is asked
    const fromMs = Date.now();
    const missing = new Set(expected);
    await expect
      .poll(
        async () => {
          for (const each of missing) if (await prometheus.hadValue(each.query, fromMs)) missing.delete(each);
          return [...missing].map(({ title }) => title);
        },
        { interval: 500, timeout: 90_000 },
      )
      .toEqual([]);
    expect(await healthOfRules(prometheus.url)).toEqual(alerts.map(() => 'ok'));
    demo.process.kill('SIGTERM');
    expect([await demo.ended(), demo.stderr()]).toEqual([143, '']);
  });
});

async function healthOfRules(url: string): Promise<string[]> {
  const response = await fetch(`${url}/api/v1/rules`);
  const { data } = (await response.json()) as { data: { groups: { rules: { health: string }[] }[] } };
  return data.groups.flatMap(({ rules }) => rules.map(({ health }) => health));
}
