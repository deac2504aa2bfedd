import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import { type FaultPlan, FaultServiceClient } from 'failsoft/protos/mock';
import type { DemandModelName } from 'failsoft/testing';

/** `.ts`, or `.js` where the demo has been compiled. */
const SUFFIX = extname(import.meta.url);
const CLI = fileURLToPath(new URL(`../../src/testing/cli${SUFFIX}`, import.meta.url));
const LOADER = SUFFIX === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
const START_TIMEOUT_MS = 30_000;
const FAULT_DEADLINE_MS = 30_000;

export interface ServerOptions {
  readonly model: DemandModelName;
  readonly host: string;
  readonly latencyMs: number;
  readonly seed: number;
}

/** A mock inference server in a process of its own. It can be killed, and started again on the same port. */
export class ServerProcess {
  readonly options: ServerOptions;
  #child: ChildProcess | undefined;
  #address = '';
  #isStopped = false;
  /** The story and the buttons of the page both start and end the process: each waits for the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: ServerOptions) {
    this.options = options;
  }

  static async start(options: ServerOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options);
    await server.#run('0');
    return server;
  }

  /** `host:port`, the same after a restart. */
  get address(): string {
    return this.#address;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Ends the process by SIGKILL, so that it cannot clean up. */
  kill(): Promise<void> {
    return this.#inTurn(() => this.#end((child) => child.kill('SIGKILL')));
  }

  /** Resolves when the server listens again; at once where it runs. */
  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#isRunning) await this.#run(this.#address.slice(this.#address.lastIndexOf(':') + 1));
    });
  }

  /** Closes the process's standard input, which ends it; the death of its parent would do the same. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#inTurn(() => this.#end((child) => child.stdin?.end()));
  }

  /** Replaces the model's faults, over gRPC. */
  async setFaults(faults: FaultPlan): Promise<void> {
    // A connection of its own: a shared connection would still wait before it reconnects after a restart.
    const client = new FaultServiceClient(this.#address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    const request = { model: this.options.model, faults };
    const deadline = Date.now() + FAULT_DEADLINE_MS;
    try {
      await new Promise<void>((resolve, reject) => {
        client.waitForReady(deadline, (notReady) => {
          if (notReady) return reject(notReady);
          client.setFaults(request, (error) => (error ? reject(error) : resolve()));
        });
      });
    } finally {
      client.close();
    }
  }

  get #isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const acted = this.#turn.then(act);
    this.#turn = acted.catch(() => undefined);
    return acted;
  }

  async #run(port: string): Promise<void> {
    if (this.#isStopped) return;
    const { model, host, latencyMs, seed } = this.options;
    // `detached`: outside the terminal's process group, so that Ctrl-C reaches only the demo. The end of its standard input ends it.
    const child = spawn(
      process.execPath,
      [
        ...[...LOADER, CLI, '--json', '--until-stdin-ends'],
        ...['--host', host, '--port', port, '--models', model],
        ...['--latency-ms', String(latencyMs), '--seed', String(seed)],
      ],
      { stdio: ['pipe', 'pipe', 'inherit'], detached: true, windowsHide: true },
    );
    this.#child = child;
    child.stdin.on('error', () => undefined); // EPIPE, when the pipe is closed after the child's death
    this.#address = await addressOf(child, `the server with ${model}`);
  }

  async #end(end: (child: ChildProcess) => void): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.#isRunning) return;
    const exited = once(child, 'exit');
    end(child);
    const late = setTimeout(() => child.kill('SIGKILL'), 2_000);
    await exited;
    clearTimeout(late);
  }
}

/** Reads the address that the server prints when it is ready. */
async function addressOf(
  child: ChildProcess & { stdout: NodeJS.ReadableStream },
  name: string,
): Promise<string> {
  const late = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const ready: unknown = JSON.parse(line);
      if (
        typeof ready === 'object' &&
        ready !== null &&
        'address' in ready &&
        typeof ready.address === 'string'
      )
        return ready.address;
    }
  } finally {
    clearTimeout(late);
  }
  throw new Error(`${name} ended before it listened`);
}
