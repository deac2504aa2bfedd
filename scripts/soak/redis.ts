import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OWN_HOST } from './server.js';
import { later } from './world.js';

/** A real redis-server, whose data are on the disk before each reply. */
export interface SoakRedis {
  readonly host: string;
  readonly port: number;
  /** Stops answering, and keeps its connections (SIGSTOP). */
  suspend(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** Undefined where redis-server cannot be run. */
export async function startRedis(): Promise<SoakRedis | undefined> {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), 'failsoft-soak-redis-'));
  const port = await freePort();
  const child = spawn(
    'redis-server',
    [
      ...['--port', String(port), '--bind', OWN_HOST, '--dir', directory, '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', 'always'],
    ],
    { stdio: 'ignore' },
  );
  while (!(await answers(port))) {
    if (hasEnded(child)) throw new Error(`redis-server ended with ${child.exitCode ?? child.signalCode}`);
    await later(20);
  }
  const atExit = () => child.kill('SIGKILL');
  process.on('exit', atExit);
  return {
    host: OWN_HOST,
    port,
    suspend: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      process.off('exit', atExit);
      if (!hasEnded(child)) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket();
    const end = (result: boolean) => {
      socket.destroy();
      resolve(result);
    };
    socket.on('error', () => end(false));
    socket.on('data', (data) => end(data.toString().startsWith('+PONG')));
    socket.connect(port, OWN_HOST, () => socket.write('PING\r\n'));
  });
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
