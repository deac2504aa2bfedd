import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OWN_HOST } from '../../support/own-host.js';

/** Whether a real redis-server can be started here. With FAILSOFT_REQUIRE_SERVICES=1 it must be. */
export const hasRedis: boolean = (() => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if (process.env.FAILSOFT_REQUIRE_SERVICES === '1')
      throw new Error('FAILSOFT_REQUIRE_SERVICES=1, but redis-server cannot be run', { cause: error });
    return false;
  }
})();

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** SIGKILL, as in a crash. */
  kill(): Promise<void>;
  /** Stops answering, and keeps its connections: SIGSTOP. */
  suspend(): void;
  resume(): void;
  /** On the same port, with what had reached the disk. */
  start(): Promise<void>;
  /** Sends one command and gives the first line of the reply. */
  command(...words: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A real redis-server on a free port of an address that is this process's alone, whose data is written to disk before each reply. */
export async function startRedis(): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'failsoft-redis-'));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const server: RedisServer = {
    host: OWN_HOST,
    port,
    url: `redis://${OWN_HOST}:${port}`,
    async start() {
      child = spawn(
        'redis-server',
        [
          ...['--port', String(port), '--bind', OWN_HOST, '--dir', directory, '--save', ''],
          ...['--appendonly', 'yes', '--appendfsync', 'always'],
        ],
        { stdio: 'ignore' },
      );
      for (;;) {
        const { exitCode, signalCode } = child;
        if (exitCode !== null || signalCode !== null)
          throw new Error(`redis-server ended with ${exitCode ?? signalCode}`);
        try {
          if ((await server.command('PING')) === '+PONG') return;
        } catch {
          // not listening yet
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    suspend: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    command: (...words) =>
      new Promise((resolve, reject) => {
        const socket = new Socket();
        socket.on('error', reject);
        socket.on('data', (data) => {
          socket.destroy();
          resolve(data.toString().split('\r\n')[0] ?? '');
        });
        socket.connect(port, OWN_HOST, () => {
          const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
          socket.write(`*${words.length}\r\n${parts.join('')}`);
        });
      }),
    async stop() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
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
