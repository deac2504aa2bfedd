import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OWN_HOST } from './own-host.js';

/** Whether a real Prometheus and its promtool can be run here. With FAILSOFT_REQUIRE_SERVICES=1 they must be. */
export const hasPrometheus: boolean = (() => {
  try {
    for (const command of ['prometheus', 'promtool'])
      execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if (process.env.FAILSOFT_REQUIRE_SERVICES === '1')
      throw new Error('FAILSOFT_REQUIRE_SERVICES=1, but prometheus and promtool cannot be run', {
        cause: error,
      });
    return false;
  }
})();

export interface PrometheusServer {
  readonly url: string;
  /** Asks for the present value of a query: its series with their values. */
  query(promql: string): Promise<readonly { metric: Record<string, string>; value: [number, string] }[]>;
  /** Whether a query had a value at any moment since `fromMs`, in milliseconds since the epoch. */
  hadValue(promql: string, fromMs: number): Promise<boolean>;
  /** Stops answering, and keeps its connections: SIGSTOP. */
  suspend(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** A real Prometheus on a free port of an address that is this process's alone, with a configuration (YAML). */
export async function startPrometheus(config = 'global: {}'): Promise<PrometheusServer> {
  const directory = mkdtempSync(join(tmpdir(), 'failsoft-prometheus-'));
  const file = join(directory, 'prometheus.yml');
  writeFileSync(file, config);
  const port = await freePort();
  const url = `http://${OWN_HOST}:${port}`;
  const child: ChildProcess = spawn(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${OWN_HOST}:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(directory, { recursive: true, force: true });
  };
  for (;;) {
    if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`);
    const ready = await fetch(`${url}/-/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const ask = async <Series>(path: string, parameters: Record<string, string>): Promise<Series[]> => {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = (await response.json()) as {
      status: string;
      data: { result: Series[] };
      error?: string;
    };
    if (status !== 'success') throw new Error(`${parameters.query}: ${error}`);
    return data.result;
  };
  return {
    url,
    query: (promql) => ask('query', { query: promql }),
    async hadValue(promql, fromMs) {
      const [start, end] = [String(fromMs / 1_000), String(Date.now() / 1_000)];
      return (await ask('query_range', { query: promql, start, end, step: '0.25' })).length > 0;
    },
    suspend: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop,
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await once(probe.listen(0, OWN_HOST), 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
