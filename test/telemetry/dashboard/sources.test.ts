import { createServer, type ServerResponse } from 'node:http';
import { createGuard } from 'failsoft';
import { serveDashboard } from 'failsoft/dashboard';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EventStreamReader } from '../../../src/telemetry/dashboard/server/event-stream.js';
import { MessageReader } from '../../../src/telemetry/dashboard/server/read-message.js';
import { SourcesFeed } from '../../../src/telemetry/dashboard/server/sources-feed.js';
import { OWN_HOST } from '../../support/own-host.js';
import { call, EventsReader, isDelta, METHOD } from './support.js';

async function process(name: string, model: string, port = 0) {
  const guard = createGuard();
  const server = await serveDashboard(guard, { process: name, intervalMs: 50, host: OWN_HOST, port });
  onTestFinished(() => server.close());
  return { guard, circuit: guard.circuit(METHOD, model), server };
}

async function page(sources: string[]) {
  const server = await serveDashboard({ sources, intervalMs: 50 });
  onTestFinished(() => server.close());
  return server;
}

describe('a page for several processes', () => {
  it('shows the circuits of all, and their changes', async () => {
    const [a, b] = await Promise.all([process('a', 'm'), process('a', 'm')]);
    const server = await page([a.server.url, `${b.server.url}events`]);
    const reader = new EventsReader(server);
    const both = await reader.until(
      ({ event, data }) => event === 'snapshot' && 'circuits' in data && data.circuits?.length === 2,
    );
    const names = 'processes' in both.data ? both.data.processes?.map(({ name }) => name) : [];
    // two processes of one name stay two
    expect(new Set(names).size).toBe(2);
    call(a.circuit, 'failure', 5);
    const told = await reader.until(
      (message) => isDelta(message) && (message.data.timeline?.length ?? 0) > 0,
    );
    if (!isDelta(told)) throw new Error('a delta');
    expect(told.data.timeline?.[0]).toMatchObject({ to: 'open', reason: 'consecutive-failures 5 >= 5' });
  });

  it('names the process that it does not reach, keeps its circuits, and finds it again', async () => {
    const a = await process('a', 'm');
    const server = await page([a.server.url]);
    const reader = new EventsReader(server);
    await reader.until(
      ({ event, data }) => event === 'snapshot' && 'circuits' in data && data.circuits?.length === 1,
    );
    await a.server.close();
    const lost = await reader.until(
      ({ event, data }) =>
        event === 'snapshot' &&
        'processes' in data &&
        typeof data.processes?.[0]?.error === 'string' &&
        data.processes[0].error !== 'it has not answered yet',
    );
    expect('circuits' in lost.data && lost.data.circuits).toHaveLength(1);
    reader.messages.length = 0;
    await process('a', 'another', a.server.port);
    await reader.until(
      ({ event, data }) =>
        event === 'snapshot' &&
        'processes' in data &&
        data.processes?.[0]?.error === null &&
        JSON.stringify(data).includes('#another'),
    );
  });

  it('keeps three processes with the same name behind the same host apart', async () => {
    const gateway = createServer((request, response) => {
      const circuits = [{ view: { process: 'a', circuitKey: request.url } }];
      const message = { version: 1, atMs: 1, processes: [{ name: 'a' }], settings: {}, circuits };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`event: snapshot\ndata: ${JSON.stringify(message)}\n\n`);
    });
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      gateway.closeAllConnections();
      gateway.close();
    });
    const address = gateway.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const server = await page(['x', 'y', 'z'].map((path) => `http://127.0.0.1:${port}/${path}`));
    const reader = new EventsReader(server);
    const all = await reader.until(
      ({ event, data }) => event === 'snapshot' && 'circuits' in data && data.circuits?.length === 3,
    );
    const names = 'processes' in all.data ? all.data.processes?.map(({ name }) => name) : [];
    expect(new Set(names).size).toBe(3);
  });

  it('takes changes also while no page is open, so that they do not pile up', () => {
    const feed = new SourcesFeed([new URL('http://127.0.0.1:1/events')]);
    expect(feed.idleIntervalMs).toBeLessThanOrEqual(1_000);
    feed.close();
  });

  it('survives a source that is no stream, and lines that are no message', async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => void response.writeHead(500).end(),
      (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      (response) =>
        void response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end('event: snapshot\ndata: {broken\n\n'),
      (response) =>
        void response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end('event: snapshot\ndata: {"version":99}\n\n'),
      (response) => void response.destroy(),
    ];
    for (const answer of answers) {
      const odd = createServer((_request, response) => answer(response));
      await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void odd.close());
      const address = odd.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const reader = new EventsReader(await page([`http://127.0.0.1:${port}`]));
      const told = await reader.until(({ event, data }) => {
        const error = event === 'snapshot' && 'processes' in data ? data.processes?.[0]?.error : null;
        return typeof error === 'string' && error !== 'it has not answered yet';
      });
      expect(told.event).toBe('snapshot');
    }
  });
});

describe('the messages of others', () => {
  const reader = new MessageReader((name) => `named ${name}`, '0.');

  it('are read field by field: unknown fields are left out', () => {
    const message = reader.snapshot(
      JSON.stringify({
        version: 1,
        atMs: 'soon',
        processes: [{ name: 5, stepMs: -1, steps: 1e12 }, null],
        settings: { s0: 'x' },
        circuits: [
          {
            view: {
              circuitKey: 'k',
              state: 'exploded',
              isolated: 'yes',
              window: 7,
              secret: 'content',
              answers: [{ source: {}, count: '1' }],
              settings: 's0',
            },
            history: 'none',
          },
          'nothing',
        ],
      }),
    );
    expect(message.atMs).toBe(0);
    expect(message.processes[0]).toMatchObject({ name: 'named ', stepMs: 50, steps: 1_000 });
    expect(message.circuits[0]?.view).toMatchObject({
      circuitKey: 'k',
      state: 'closed',
      isolated: 0,
      window: { calls: 0, latencyMs: null },
      answers: [{ source: '', cause: null, count: 0 }],
      settings: '0.s0',
    });
    expect(JSON.stringify(message)).not.toContain('content');
  });

  it('are bounded', () => {
    const long = 'x'.repeat(100_000);
    const { circuits } = reader.delta(
      JSON.stringify({
        circuits: Array.from({ length: 6_000 }, (_, n) => ({ circuitKey: n === 0 ? long : '' })),
      }),
    );
    expect(circuits).toHaveLength(5_000);
    expect(circuits?.[0]?.circuitKey.length).toBe(2_000);
    expect(() => reader.snapshot('[]')).toThrow(/its version is undefined/);
  });

  it('come in pieces, with any line ends', () => {
    const events: [string, string][] = [];
    const stream = new EventStreamReader((name, data) => void events.push([name, data]));
    for (const piece of ['event: a\r', '\ndata: {"x"', ':1}\n\n: comment\nid: 7\n\ndata: 2\ndata: 3\n', '\n'])
      stream.push(piece);
    expect(events).toEqual([
      ['a', '{"x":1}'],
      ['', '2\n3'],
    ]);
    expect(() => {
      for (let n = 0; n < 70; n++) stream.push('x'.repeat(1024 * 1024));
    }).toThrow(/a message of more than/);
  });
});
