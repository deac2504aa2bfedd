import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The states of the story's model: it loads or fails (500, and /ping is not 200), or has no free worker (429). */
export type Trouble = 'none' | 'down' | 'busy';

/** A model server of the story; FastAPI and Node serve the same protocol. */
export interface Endpoint {
  readonly url: string;
  setTrouble(trouble: Trouble): Promise<void>;
  close(): Promise<void>;
}

/** The FastAPI application `app.py` under uvicorn. @param python an interpreter that has fastapi and uvicorn */
export async function startFastApi(python: string): Promise<Endpoint> {
  const app = fileURLToPath(new URL('app.py', import.meta.url));
  const child = spawn(python, [app], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const url = await Promise.race([
    lines.next().then(({ value }) => String(value)),
    ended.then(() => Promise.reject(new Error('FastAPI ended before it listened'))),
  ]);
  while (!(await isReady(url))) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    url,
    setTrouble: async (trouble) => {
      await fetch(`${url}/trouble`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ trouble }),
      });
    },
    close: async () => {
      child.kill();
      await ended;
    },
  };
}

/** Asks as SageMaker does: 200 is ready. A server that does not answer is not ready. */
export async function isReady(url: string, signal?: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ping`, signal === undefined ? {} : { signal });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** The same protocol, served by Node. */
export async function startNode(): Promise<Endpoint> {
  let trouble: Trouble = 'none';
  const server = createServer((request, response) => {
    if (request.url === '/ping') return void response.writeHead(trouble === 'down' ? 503 : 200).end();
    const name = /^\/endpoints\/([^/]+)\/invocations$/.exec(request.url ?? '')?.[1];
    if (request.method !== 'POST' || (request.url !== '/invocations' && name === undefined))
      return send(response, 404, { message: 'Not Found' });
    if (name !== undefined && name !== 'demand')
      return send(response, 400, { message: `ValidationError: endpoint ${name} not found` });
    if (trouble === 'busy') return send(response, 429, { message: 'ModelError: no worker is free' });
    if (trouble === 'down') return send(response, 500, { message: 'ModelError: CUDA error' });
    void featuresOf(request).then((features) => {
      send(response, 200, { predictions: [features.reduce((sum, value) => sum + value, 0)] });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setTrouble: async (given) => {
      trouble = given;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function featuresOf(request: IncomingMessage): Promise<readonly number[]> {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { features }: { features: readonly number[] } = JSON.parse(body);
  return features;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
