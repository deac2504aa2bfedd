import { type ChildProcess, spawn } from 'node:child_process';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { HELP, parseCli } from '../../src/testing/cli-options.js';
import { compiled } from '../support/compiled.js';
import { connect, goodRequest, infer, start } from './fixture.js';

const cli = compiled('src/testing/cli.ts');
const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts the executable; `line` is the first line that it prints. */
function launch(...args: string[]) {
  const child = spawn(process.execPath, [cli, ...args], { stdio: 'pipe' });
  running.add(child);
  const out = { stdout: '', stderr: '' };
  const line = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      out.stdout += chunk;
      if (out.stdout.includes('\n')) resolve(out.stdout.slice(0, out.stdout.indexOf('\n')));
    });
    child.once('close', () => reject(new Error(`it ended without a line: ${out.stderr}`)));
  });
  line.catch(() => {});
  child.stderr.on('data', (chunk) => {
    out.stderr += chunk;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, ...out });
    });
  });
  return { child, line, ended };
}

describe('failsoft-mock-server', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'says where it listens and what it has, serves, and stops on %s',
    async (signal) => {
      const { child, line, ended } = launch('--port', '0', '--latency-ms', '0');
      const said = await line;
      expect(said).toMatch(
        /^failsoft-mock-server listens on 127\.0\.0\.1:\d+ with the models demand-large, demand-small$/,
      );
      const { client } = connect(said.split(' ')[3] ?? '');
      expect((await infer(client)).code).toBe(status.OK);
      child.kill(signal);
      expect(await ended).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('prints a line of JSON with --json, and stops although a call hangs', async () => {
    const { child, line, ended } = launch(
      '--port',
      '0',
      '--json',
      '--models',
      'demand-small',
      '--latency-ms',
      '3600000',
    );
    const { address, models } = JSON.parse(await line);
    expect(models).toEqual(['demand-small']);
    const { client } = connect(address);
    const answer = infer(client, goodRequest('demand-small'));
    expect((await infer(client, goodRequest('demand-large'))).code).toBe(status.NOT_FOUND);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect((await answer).code).not.toBe(status.OK);
  });

  it.each(['the end of standard input', 'SIGTERM while it is open'])(
    'with --until-stdin-ends stops on %s',
    async (what) => {
      const { child, line, ended } = launch('--port', '0', '--until-stdin-ends');
      await line;
      if (what === 'SIGTERM while it is open') child.kill('SIGTERM');
      else child.stdin.end();
      expect(await ended).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('prints its help', async () => {
    const { code, stdout } = await launch('--help').ended;
    expect([code, stdout]).toEqual([0, HELP]);
  });

  it('ends with 2 and a clear message for an unknown option', async () => {
    const { code, stdout, stderr } = await launch('--prot', '1').ended;
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^failsoft-mock-server: Unknown option '--prot'[\s\S]*Try --help\.\n$/);
  });

  it('ends with 1 and a clear message when the port is in use', async () => {
    const { server } = await start();
    const { code, stdout, stderr } = await launch('--port', `${server.port}`).ended;
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(`failsoft-mock-server: port ${server.port} of 127.0.0.1 is in use\n`);
  });
});

describe('parseCli', () => {
  it('has defaults, and takes every option', () => {
    expect(parseCli([])).toEqual({
      server: { port: 8001 },
      json: false,
      untilStdinEnds: false,
    });
    const all =
      '--port 0 --host ::1 --models demand-small --preset rayServe --latency-ms 1.5 --seed 9 --json --until-stdin-ends';
    expect(parseCli(all.split(' '))).toEqual({
      server: { port: 0, host: '::1', models: ['demand-small'], preset: 'rayServe', latencyMs: 1.5, seed: 9 },
      json: true,
      untilStdinEnds: true,
    });
    expect(parseCli(['--help'])).toBe('help');
  });

  it('lists every option in its help', () => {
    for (const option of [
      'port',
      'host',
      'models',
      'preset',
      'latency-ms',
      'seed',
      'json',
      'until-stdin-ends',
      'help',
    ]) {
      expect(HELP).toContain(`--${option}`);
    }
  });

  it.each([
    [['--port', 'http'], '--port: expected an integer from 0 to 65535, got "http"'],
    [['--port', '65536'], '--port: expected an integer from 0 to 65535'],
    [['--port', ''], '--port: expected an integer'],
    [['--port', '1e3'], '--port: expected an integer'],
    [['--port'], "'--port <value>' argument missing"],
    [['--port=-1'], '--port: expected an integer'],
    [['--host', ''], 'options.host: expected a host name'],
    [['--models', 'demand-large,x'], '--models: expected one of demand-large, demand-small, got "x"'],
    [['--models', ''], '--models: expected one of'],
    [['--preset', 'Triton'], '--preset: expected one of triton, tfServing'],
    [['--latency-ms', 'fast'], '--latency-ms: expected a number of milliseconds from 0, got "fast"'],
    [['--latency-ms', '9999999'], 'options.latencyMs: expected a number from 0 to 3600000'],
    [['--seed', '-1'], 'argument is ambiguous'],
    [['--seed', '1.5'], '--seed: expected an integer from 0'],
    [['--json=yes'], 'does not take an argument'],
    [['8001'], 'Unexpected argument'],
  ])('refuses %j', (args, message) => {
    expect(() => parseCli(args)).toThrow(message);
  });
});
