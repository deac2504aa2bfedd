import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultPrediction, type FallbackRegistry, lastGood, provenanceOf } from 'failsoft';
import { guardedFetch, httpRoute } from 'failsoft/fetch';
import { guardInterceptor } from 'failsoft/undici';
import { Agent, request } from 'undici';
import type { StoryServer } from '../story.js';
import type { Adapter } from './adapter.js';

const ROUTE = '/v1/models/:name/predict';
const nameAt = (address: string) => `POST ${address}${ROUTE}`;
const post = (x: number) => ({
  method: 'POST' as const,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ x }),
});

async function serve(): Promise<StoryServer> {
  let down = false;
  const server = createServer(async (incoming, response) => {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    if (down) return void response.writeHead(503).end();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ y: JSON.parse(body).x }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setDown: (isDown) => {
      down = isDown;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const common = {
  serve,
  circuitKey: nameAt,
  register: (fallbacks: FallbackRegistry, address: string) => {
    const route = httpRoute<{ x: number }, { y: number }>(nameAt(address));
    fallbacks.register(route, [lastGood(), defaultPrediction({ body: { y: -1 } })]);
  },
} satisfies Partial<Adapter>;

export const fetchAdapter: Adapter = {
  ...common,
  name: '`fetch`, and SDKs that take a `fetch`',
  packages: [],
  attached: '`guardedFetch(guard, { routes })` ([failsoft/fetch](adapters.md#http-guardedfetch))',
  source: '`provenanceOf(response)`',
  connect: (address, guard) => {
    const fetch = guardedFetch(guard, { routes: [ROUTE] });
    return {
      ask: async (value) => {
        const response = await fetch(`${address}/v1/models/m/predict`, post(value));
        const { y }: { y: number } = JSON.parse(await response.text());
        return { answer: y, source: provenanceOf(response).source };
      },
      close: () => {},
    };
  },
};

export const undiciAdapter: Adapter = {
  ...common,
  name: 'undici',
  packages: ['undici'],
  attached:
    '`new Agent().compose(guardInterceptor(guard, { routes, sendsAsGiven: true }))` ([failsoft/undici](adapters.md#undici-guardinterceptor))',
  source: 'header `failsoft-source`',
  connect: (address, guard) => {
    const agent = new Agent();
    const dispatcher = agent.compose(guardInterceptor(guard, { routes: [ROUTE], sendsAsGiven: true }));
    return {
      ask: async (value) => {
        const response = await request(`${address}/v1/models/m/predict`, { dispatcher, ...post(value) });
        const { y }: { y: number } = JSON.parse(await response.body.text());
        return { answer: y, source: String(response.headers['failsoft-source'] ?? 'primary') };
      },
      close: () => void agent.destroy(),
    };
  },
};
