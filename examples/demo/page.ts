import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { status } from '@grpc/grpc-js';
import { dashboard } from 'failsoft/dashboard';
import { prometheus } from 'failsoft/prometheus';
import { FaultPlan } from 'failsoft/protos/mock';
import { Registry } from 'prom-client';
import type { DemoClient } from './client.js';
import type { ServerProcess } from './servers.js';

/** The live page for a browser, and the metrics for Prometheus. */
export interface DemoPage {
  /** The address of the live page, with the token of its buttons. */
  readonly link: string;
  /** The address of the metrics, for Prometheus. */
  readonly metricsUrl: string;
  close(): Promise<void>;
}

/**
 * The live page of the demo, whose buttons break the primary and mend it, and its metrics for Prometheus.
 * @throws the error of `listen` where the port is taken
 */
export async function servePage(
  { guard, later }: DemoClient,
  primary: ServerProcess,
  port: number,
): Promise<DemoPage> {
  const token = randomBytes(12).toString('base64url');
  const faults = (plan: FaultPlan) => async () => {
    await primary.restart();
    await primary.setFaults(plan);
  };
  const page = dashboard(guard, {
    basePath: '',
    process: 'demo',
    intervalMs: 500,
    history: { stepMs: 500, steps: 120 },
    controls: {
      token,
      actions: [
        {
          label: 'Slow',
          description: 'The primary takes 20 times as long',
          run: faults(FaultPlan.fromPartial({ latencyMultiplier: 20 })),
        },
        {
          label: 'Failing',
          description: 'The primary answers UNAVAILABLE',
          run: faults(FaultPlan.fromPartial({ error: { code: status.UNAVAILABLE } })),
        },
        { label: 'Kill', description: 'The primary gets SIGKILL', run: () => primary.kill() },
        {
          label: 'Healthy',
          description: 'The primary runs, and nothing is wrong',
          run: faults(FaultPlan.fromPartial({})),
        },
      ],
    },
  });
  const register = new Registry();
  const metrics = prometheus(guard, { register, callDurations: true, queues: { later } });
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return page(request, response);
    register.metrics().then(
      (text) => response.writeHead(200, { 'content-type': register.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}/`;
  const close = async () => {
    page.close();
    metrics.close();
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  // the token is behind #, so that no server writes it in a log; the page removes it from the address
  return { link: `${url}#token=${token}`, metricsUrl: `${url}metrics`, close };
}
