import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { credentials, type Interceptor, type ServiceError } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import type { Sampler } from './row.js';

/** The mock server in a process of its own, so that it and the client do not share a thread. */
export async function startServer(): Promise<{ address: string; stop: () => void }> {
  const cli = fileURLToPath(new URL('../../src/testing/cli.js', import.meta.url));
  const args = [cli, '--port', '0', '--json', '--until-stdin-ends'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { address }: { address: string } = JSON.parse(line);
    return { address, stop: () => child.kill('SIGKILL') };
  }
  throw new Error('the mock server ended before it printed its address');
}

/** Makes a call to a server. */
export type Ask = () => Promise<unknown>;

/** Clients of one server, to be closed together. */
export class Clients {
  readonly #address: string;
  readonly #clients: GRPCInferenceServiceClient[] = [];

  constructor(address: string) {
    this.#address = address;
  }

  asking(...interceptors: Interceptor[]): Ask {
    const client = new GRPCInferenceServiceClient(this.#address, credentials.createInsecure(), {
      interceptors,
    });
    this.#clients.push(client);
    return () =>
      new Promise((resolve, reject) => {
        client.serverLive({}, (error: ServiceError | null, value) =>
          error ? reject(error) : resolve(value),
        );
      });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}

/** Calls per second, with `atATime` calls at a time. */
export function throughput(ask: Ask, calls: number, atATime: number): Sampler {
  return async () => {
    let left = calls;
    const worker = async () => {
      while (left-- > 0) await ask();
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: atATime }, worker));
    return calls / ((performance.now() - start) / 1_000);
  };
}
