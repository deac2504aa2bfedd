import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  readonly port: number;
  readonly url: string;
  /** SIGKILL, as in a crash. */
  kill(): Promise<void>;
  /** On the same port, with what had reached the disk. */
  start(): Promise<void>;
  /** Sends one command and gives the first line of the reply. */
  command(...words: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A real redis-server on a free port of this machine, whose data is written to disk before each reply. */
export async function startRedis(): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'failsoft-redis-'));
  const port = await freePort();
  let child: ChildProcess | undefined;
  const server: RedisServer = {
    port,
    url: `redis://127.0.0.1:${port}`,
    async start() {
      child = spawn(
        'redis-server',
        [
          ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', ''],
          ...['--appendonly', 'yes', '--appendfsync', 'always'],
        ],
        { stdio: 'ignore' },
      );
      for (;;) {
        if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
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
    command: (...words) =>
      new Promise((resolve, reject) => {
        const socket = new Socket();
        socket.on('error', reject);
        socket.on('data', (data) => {
          socket.destroy();
          resolve(data.toString().split('\r\n')[0] ?? '');
        });
        socket.connect(port, '127.0.0.1', () => {
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
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
