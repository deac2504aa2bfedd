import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from './world.js';

/** TypeScript, or JavaScript where the soak has been compiled. */
const SUFFIX = extname(import.meta.url);
const script = fileURLToPath(new URL(`odd-server${SUFFIX}`, import.meta.url));
const LOADER = SUFFIX === '.ts' ? ['--import', 'tsx'] : [];

/** How Node ends where its HTTP/2 has corrupted the heap. */
const NODES_OWN: readonly (string | null)[] = ['SIGABRT', 'SIGSEGV'];

export interface OddServer {
  readonly address: string;
  /** What it wrote before it died, or undefined while it runs. */
  died(): string | undefined;
  close(): Promise<void>;
}

/** Starts the server that answers oddly. Should Node itself abort in it, it is started anew at the same port, and that is counted. */
export async function startOddServer({ seed, ledger }: World): Promise<OddServer> {
  let errors = '';
  let closed = false;
  let port = 0;
  let child = start();
  const [printed] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the odd server did not start: ${errors}`))),
  ]);
  port = Number(String(printed));

  function start() {
    const started = spawn(process.execPath, [...LOADER, script, String(seed), String(port)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    started.stderr.on('data', (bytes: Buffer) => {
      errors = `${errors}${bytes.toString()}`.slice(-500);
    });
    started.on('exit', (_code, signal) => {
      if (closed || port === 0 || !NODES_OWN.includes(signal)) return;
      ledger.add('aborts of Node in the odd server');
      child = start();
    });
    return started;
  }

  return {
    address: `127.0.0.1:${port}`,
    died: () => (isOver(child) ? `${child.exitCode ?? child.signalCode}: ${errors}` : undefined),
    async close() {
      closed = true;
      if (isOver(child)) return;
      child.kill();
      await once(child, 'exit');
    },
  };
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
