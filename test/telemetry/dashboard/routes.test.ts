import { createServer } from 'node:http';
import { connect } from 'node:net';
import express from 'express';
import { createGuard } from 'failsoft';
import { dashboard, serveDashboard } from 'failsoft/dashboard';
import Fastify from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask, EventsReader, HOSTILE, METHOD, servedGuard } from './support.js';

const NOT_FOR_US = [
  'evil.example',
  'evil.example:80',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  '10.0.0.1',
  '127.0.0.1@evil',
  '[::1',
  'a'.repeat(500),
];

async function listening(server: ReturnType<typeof createServer>): Promise<{ port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return { port: address.port };
}

describe('the routes', () => {
  it('are the page, its parts, its stream and its figures', async () => {
    const { guard, server } = await servedGuard();
    guard.circuit(METHOD, 'm');
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/`);
    const page = await ask(server, '/');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    const addresses = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address = '']) => address);
    expect(addresses.filter((address) => /^(\w+:)?\/\//.test(address))).toEqual([]);
    for (const path of ['page.js', 'style.css', 'uplot.js']) {
      const part = await ask(server, `/${path}`);
      expect([part.status, part.headers['x-content-type-options']]).toEqual([200, 'nosniff']);
    }
    expect((await ask(server, '/uplot.js')).text).toContain('Permission is hereby granted, free of charge');
    const snapshot = JSON.parse((await ask(server, '/snapshot')).text);
    expect(snapshot.circuits[0].view.circuitKey).toBe(`${METHOD}#m`);
  });

  it('have the headers that keep other sites out', async () => {
    const { server } = await servedGuard();
    const pages = await Promise.all(['/', '/'].map((path) => ask(server, path)));
    const [policy = '', other] = pages.map(({ headers }) => String(headers['content-security-policy']));
    expect(policy).not.toBe(other);
    const [, nonce] = /script-src 'nonce-([^']+)'/.exec(policy) ?? [];
    expect(pages[0]?.text.match(/<script[^>]*>/g)?.every((tag) => tag.includes(`nonce="${nonce}"`))).toBe(
      true,
    );
    for (const rule of [
      "default-src 'none'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
    ])
      expect(policy).toContain(rule);
    for (const path of ['/', '/page.js', '/snapshot', '/nothing']) {
      const { headers } = await ask(server, path);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it('have the names of actions as data that end no element', async () => {
    const actions = HOSTILE.map((label) => ({
      label: `${label}</script><!--`,
      description: label,
      run: () => {},
    }));
    const { server } = await servedGuard({ controls: { token: 't'.repeat(16), actions } });
    const { text } = await ask(server, '/');
    const [, json = ''] = /<script id="facts"[^>]*>(.*?)<\/script>/s.exec(text) ?? [];
    expect(json).not.toMatch(/[<>&]/);
    expect(JSON.parse(json).actions).toEqual(
      actions.map(({ label, description }) => ({ label, description })),
    );
    expect(text.match(/<script/g)).toHaveLength(3);
  });

  it.each(NOT_FOR_US)('refuse the Host %j', async (host) => {
    const { server } = await servedGuard({ controls: { token: 't'.repeat(16) } });
    for (const path of ['/', '/events', '/snapshot', '/page.js', '/control', '/nothing']) {
      const { status } = await ask(server, path, { headers: { host } });
      expect([path, status]).toEqual([path, 403]);
    }
  });

  it.each(['localhost', 'LOCALHOST:1234', 'app.localhost', '127.0.0.1:80', '127.1.2.3', '[::1]:9300'])(
    'accept the Host %s',
    async (host) => {
      const { server } = await servedGuard();
      expect((await ask(server, '/', { headers: { host } })).status).toBe(200);
    },
  );

  it('accept the hosts of allowedHosts, with a port only where the port is the same', async () => {
    const { server } = await servedGuard({ allowedHosts: ['Metrics.Example', '10.1.2.3:9300'] });
    const status = async (host: string) => (await ask(server, '/', { headers: { host } })).status;
    expect(await status('metrics.example')).toBe(200);
    expect(await status('metrics.example:81')).toBe(200);
    expect(await status('10.1.2.3:9300')).toBe(200);
    expect(await status('10.1.2.3:9301')).toBe(403);
    expect(await status('example')).toBe(403);
  });

  it.each([
    '/../../../etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/package.json',
    '//etc/passwd',
    '/page.js/../../x',
    '/page.js%00',
    '/constructor',
    '/__proto__',
    '/events/',
    `/${'a'.repeat(9_000)}`,
    '/control',
  ])('have no file behind %s', async (path) => {
    const { server } = await servedGuard();
    const reply = await ask(server, path);
    expect(reply.status).toBe(404);
    expect(reply.text).toBe('not found\n');
  });

  it('answer HEAD without a body, and refuse other methods', async () => {
    const { server } = await servedGuard();
    for (const path of ['/', '/page.js', '/snapshot', '/events']) {
      const head = await ask(server, path, { method: 'HEAD' });
      expect([head.status, head.text]).toEqual([200, '']);
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
        const reply = await ask(server, path, { method });
        expect([path, method, reply.status, reply.headers.allow]).toEqual([path, method, 405, 'GET, HEAD']);
      }
    }
  });

  it('survive requests that are no HTTP, and headers that are too large', async () => {
    const { server } = await servedGuard();
    expect((await ask(server, '/', { headers: { 'x-large': 'x'.repeat(15_000) } })).status).toBe(200);
    expect((await ask(server, '/', { headers: { 'x-large': 'x'.repeat(20_000) } })).status).toBe(431);
    const raw = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.end(text));
        let got = '';
        socket.on('data', (bytes) => {
          got += String(bytes);
        });
        socket.on('error', () => resolve(got));
        socket.on('close', () => resolve(got));
      });
    expect(await raw('nonsense\r\n\r\n')).toContain('400');
    expect(await raw('GET / HTTP/1.0\r\n\r\n')).toContain('403');
    expect((await ask(server, '/')).status).toBe(200);
  });

  it('do not stream to the pages of other sites', async () => {
    const { server } = await servedGuard();
    for (const headers of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
    ]) {
      expect((await ask(server, '/events', { headers })).status).toBe(403);
      expect((await ask(server, '/snapshot', { headers })).status).toBe(403);
    }
    // a link to the page is none of that
    expect((await ask(server, '/', { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(200);
  });
});

describe('where it is mounted', () => {
  it('node:http, with a base path', async () => {
    const handler = dashboard(createGuard(), { basePath: '/ops/failsoft/' });
    onTestFinished(() => handler.close());
    const server = await listening(createServer(handler));
    const bare = await ask(server, '/ops/failsoft');
    expect([bare.status, bare.headers.location]).toEqual([308, 'failsoft/']);
    expect((await ask(server, '/ops/failsoft/')).status).toBe(200);
    expect((await ask(server, '/ops/failsoft/page.js?x=1')).status).toBe(200);
    for (const path of ['/', '/page.js', '/ops/failsoftpage.js', '/ops']) {
      expect([path, (await ask(server, path)).status]).toEqual([path, 404]);
    }
  });

  it('Express, which removes the path itself, also in routers', async () => {
    const handler = dashboard(createGuard());
    onTestFinished(() => handler.close());
    const router = express.Router();
    router.use('/failsoft', handler);
    const app = express();
    app.use('/ops', router);
    const server = await listening(createServer(app));
    expect((await ask(server, '/ops/failsoft')).headers.location).toBe('failsoft/');
    expect((await ask(server, '/ops/failsoft/')).text).toContain('<title>failsoft</title>');
    expect((await ask(server, '/ops/failsoft/style.css')).status).toBe(200);
    expect((await new EventsReader(server, '/ops/failsoft/events').snapshot()).version).toBe(1);
  });

  it('Fastify, with parsed bodies', async () => {
    const token = 'a-long-enough-token';
    const guard = createGuard();
    guard.circuit(METHOD);
    const handler = dashboard(guard, { basePath: '/failsoft', controls: { token } });
    const app = Fastify();
    app.all('/failsoft/*', (request, reply) => {
      reply.hijack();
      handler(request.raw, reply.raw);
    });
    onTestFinished(async () => {
      handler.close();
      await app.close();
    });
    const port = Number(/\d+$/.exec(await app.listen({ port: 0, host: '127.0.0.1' }))?.[0]);
    expect((await ask({ port }, '/failsoft/')).status).toBe(200);
    expect((await new EventsReader({ port }, '/failsoft/events').snapshot()).circuits).toHaveLength(1);
    const headers = { authorization: `Bearer ${token}`, origin: `http://127.0.0.1:${port}` };
    const query = new URLSearchParams({ action: 'isolate', circuit: METHOD });
    expect((await ask({ port }, `/failsoft/control?${query}`, { method: 'POST', headers })).status).toBe(200);
    expect(guard.circuit(METHOD).isolated).toBe(1);
  });

  it('a server of its own, which closes with its streams and leaves the port', async () => {
    const guard = createGuard();
    const server = await serveDashboard(guard);
    const reader = new EventsReader(server);
    await reader.snapshot();
    await server.close();
    await expect(reader.until(() => false)).rejects.toThrow('the stream ended');
    const again = await serveDashboard(guard, { port: server.port });
    await expect(serveDashboard(guard, { port: again.port })).rejects.toThrow('EADDRINUSE');
    await again.close();
    await again.close();
  });
});

describe('the options', () => {
  const guard = createGuard();
  it.each([
    [{ port: 70_000 }, /options\.port: expected an integer from 0 to 65535, got 70000/],
    [{ host: '' }, /options\.host: expected an address/],
    [{ misspelt: 1 }, /options\.misspelt: expected one of the options/],
    [{ intervalMs: 1 }, /options\.intervalMs/],
    [{ maxReaders: 0 }, /options\.maxReaders/],
    [{ allowedHosts: ['http://x'] }, /options\.allowedHosts: expected an array of hosts/],
    [{ allowedHosts: '*' }, /options\.allowedHosts/],
    [{ basePath: 'failsoft' }, /options\.basePath: expected '' or a path/],
    [{ process: '' }, /options\.process/],
    [{ history: { steps: 1 } }, /options\.history\.steps/],
    [{ history: true }, /options\.history: expected an object, got true/],
    [
      { controls: { token: 'short' } },
      /options\.controls\.token: expected at least 16.*got text of 5 characters/,
    ],
    [
      { controls: { token: 't'.repeat(16), actions: [{ label: 'x' }] } },
      /actions\[0\]\.run: expected a function/,
    ],
    [{ controls: true }, /options\.controls: expected an object, got true/],
  ])('%j are refused', async (options, message) => {
    await expect(serveDashboard(guard, options as never)).rejects.toThrow(message);
  });

  it('names a guard that is none, and sources that are none', async () => {
    expect(() => dashboard({} as never)).toThrow(/guard: expected a guard/);
    await expect(serveDashboard(undefined as never)).rejects.toThrow(
      /guard: expected a guard, or options with sources/,
    );
    await expect(serveDashboard({} as never)).rejects.toThrow(/guard: expected a guard/);
    await expect(serveDashboard({ source: 'http://127.0.0.1:1' } as never)).rejects.toThrow(
      /options\.source: .*did you mean sources\?/,
    );
    await expect(serveDashboard({ sources: [] })).rejects.toThrow(
      /options\.sources: expected an array of 1 to 100/,
    );
    await expect(serveDashboard({ sources: ['file:///etc/passwd'] })).rejects.toThrow(
      /options\.sources\[0\]: expected an http/,
    );
  });

  it('never show the token', async () => {
    const { server } = await servedGuard({ controls: { token: 'secret-secret-secret' } });
    for (const path of ['/', '/page.js', '/snapshot'])
      expect((await ask(server, path)).text).not.toContain('secret-secret');
    await expect(serveDashboard(guard, { controls: { token: 'sëcret' } })).rejects.toThrow(
      /got text of 6 characters$/,
    );
  });
});
