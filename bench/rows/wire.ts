import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { credentials, type Interceptor, type ServiceError } from '@grpc/grpc-js';
import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { createGuard } from 'failsoft';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import CircuitBreaker from 'opossum';
import type { Row, Sampler } from '../lib/row.js';

/** Few, so that a round's figures are near to each other in time: the machine's speed moves more than the row's budget. */
const CALLS = 1_000;
const AT_A_TIME = 32;

/** The mock server in a process of its own, so that it and the client do not share a thread. */
async function startServer(): Promise<{ address: string; stop: () => void }> {
  const cli = fileURLToPath(new URL('../../src/testing/cli.js', import.meta.url));
  const args = [cli, '--port', '0', '--json', '--until-stdin-ends'];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { address }: { address: string } = JSON.parse(line);
    return { address, stop: () => child.kill('SIGKILL') };
  }
  throw new Error('the mock server ended before it said where it listens');
}

type Ask = () => Promise<unknown>;

/** Calls per second, so many at a time. */
function throughput(ask: Ask): Sampler {
  return async () => {
    let left = CALLS;
    const worker = async () => {
      while (left-- > 0) await ask();
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    return CALLS / ((performance.now() - start) / 1_000);
  };
}

const wire: Row = {
  name: 'wire.throughput',
  unit: '1/s',
  budgetOfFloor: 0.98,
  moreIsBetter: true,
  times: 5,
  open: async () => {
    const server = await startServer();
    const clients: GRPCInferenceServiceClient[] = [];
    const asking = (...interceptors: Interceptor[]): Ask => {
      const client = new GRPCInferenceServiceClient(server.address, credentials.createInsecure(), {
        interceptors,
      });
      clients.push(client);
      return () =>
        new Promise((resolve, reject) => {
          client.serverLive({}, (error: ServiceError | null, value) =>
            error ? reject(error) : resolve(value),
          );
        });
    };
    const breaker = new CircuitBreaker(asking(), { timeout: false });
    const policy = circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) });
    const bare = asking();
    return {
      ours: throughput(asking(createGuard().interceptor)),
      floor: throughput(asking()),
      opossum: throughput(() => breaker.fire()),
      cockatiel: throughput(() => policy.execute(bare)),
      close: () => {
        for (const client of clients) client.close();
        server.stop();
      },
    };
  },
};

export const rows: readonly Row[] = [wire];
