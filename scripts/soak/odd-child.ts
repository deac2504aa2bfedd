import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from './world.js';

/** TypeScript, or JavaScript where the soak has been compiled. */
const SUFFIX = extname(import.meta.url);
const script = fileURLToPath(new URL(`odd-server${SUFFIX}`, import.meta.url));
const LOADER = SUFFIX === '.ts' ? ['--import', 'tsx'] : [];

export interface OddServer {
  readonly address: string;
  /** What it wrote before it died, or undefined while it runs. */
  died(): string | undefined;
  close(): Promise<void>;
}

/** Starts the server that answers oddly. */
export async function startOddServer({ seed }: World): Promise<OddServer> {
  const child = spawn(process.execPath, [...LOADER, script, String(seed)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => {
    errors = `${errors}${bytes.toString()}`.slice(-500);
  });
  const [port] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`the odd server did not start: ${errors}`))),
  ]);
  return {
    address: `127.0.0.1:${Number(String(port))}`,
    died: () => (isOver(child) ? `${child.exitCode ?? child.signalCode}: ${errors}` : undefined),
    async close() {
      if (isOver(child)) return;
      child.kill();
      await once(child, 'exit');
    },
  };
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
