import { getEventListeners } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import {
  answerWith,
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type GuardOptions,
  lastGood,
  provenanceOf,
} from 'failsoft';
import {
  type GuardedFetchOptions,
  guardedFetch,
  type HttpAnswer,
  type HttpRequest,
  httpAnswer,
  httpRoute,
  perJsonField,
} from 'failsoft/fetch';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Handler, json, serveHttp as serve } from '../support/http-server.js';
import { inFull } from '../support/long.js';
import { uncaughtErrors } from '../support/uncaught.js';

function make(options: GuardOptions = {}, fetchOptions: GuardedFetchOptions = {}) {
  const guard = createGuard({
    circuit: { trip: [consecutiveFailures({ failures: 2 })], recovering: false },
    ...options,
  });
  return { guard, fetch: guardedFetch(guard, { routes: ['/v1/models/:name/predict'], ...fetchOptions }) };
}

const PATH = '/v1/models/iris/predict';
const post = (body: unknown, headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

describe('guardedFetch', () => {
  it('is healthy, fails, opens, rejects without a request, and recovers', async () => {
    const clock = new ManualClock(Date.now());
    const server = await serve(json({ y: 1 }));
    const { guard, fetch } = make({ clock });
    const good = await fetch(`${server.url}${PATH}`, post({ x: 1 }));
    expect(good).toMatchObject({ status: 200, url: `${server.url}${PATH}` });
    expect(await good.json()).toEqual({ y: 1 });
    expect(provenanceOf(good)).toMatchObject({ source: 'primary', degraded: false });

    server.handler = json({ error: 'down' }, 503);
    for (let n = 0; n < 2; n++) {
      const bad = await fetch(`${server.url}/v1/models/wine/predict`, post({ x: 1 }));
      expect(bad.status).toBe(503);
      expect(await bad.json()).toEqual({ error: 'down' });
    }
    const key = `POST ${server.url}/v1/models/:name/predict`;
    expect(guard.circuit(key).state).toBe('open');
    const sent = server.requests;
    const error: unknown = await fetch(`${server.url}${PATH}`, post({ x: 1 })).catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'FailsoftError',
      code: 'FAILSOFT_REJECTED',
      cause: { reason: 'CIRCUIT_OPEN' },
    });
    expect(circuitRejectionOf(error)).toMatchObject({ circuitKey: key, reason: 'CIRCUIT_OPEN' });
    expect(server.requests).toBe(sent);

    server.handler = json({ y: 2 });
    clock.advance(60_000);
    expect(await (await fetch(`${server.url}${PATH}`, post({ x: 1 }))).json()).toEqual({ y: 2 });
    expect(guard.circuit(key).state).toBe('closed');
    expect(guard.snapshots().map(({ circuitKey }) => circuitKey)).toEqual([key]);
    expect(guard.circuit(key).inFlight).toBe(0);
  });

  it.each([
    [200, 'success'],
    [204, 'success'],
    [304, 'success'],
    [400, 'caller-error'],
    [401, 'caller-error'],
    [404, 'caller-error'],
    [408, 'failure'],
    [422, 'caller-error'],
    [429, 'overload'],
    [500, 'failure'],
    [501, 'failure'],
    [502, 'failure'],
    [503, 'failure'],
    [504, 'failure'],
    [529, 'overload'],
  ])('HTTP %i is %s', async (code, outcome) => {
    const server = await serve((_, response) => response.writeHead(code).end());
    const { guard, fetch } = make({ minimumDeadlineMs: 0 });
    const response = await fetch(server.url);
    expect(response.status).toBe(code);
    await response.text();
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes).toMatchObject({ [outcome]: 1 });
    expect(guard.circuit(`GET ${server.url}`).inFlight).toBe(0);
  });

  it.each([
    ['seconds', () => '30'],
    ['a date', () => new Date(Date.now() + 31_000).toUTCString()],
  ])('takes Retry-After in %s for push-back', async (_form, value) => {
    const clock = new ManualClock(Date.now());
    const server = await serve((_, response) => response.writeHead(503, { 'retry-after': value() }).end());
    const { guard, fetch } = make({
      clock,
      circuit: { trip: [consecutiveFailures({ failures: 1 })], open: { baseMs: 1_000, jitter: 'none' } },
    });
    await fetch(server.url);
    const circuit = guard.circuit(`GET ${server.url}`);
    clock.advance(25_000);
    expect(circuit.state).toBe('open');
    clock.advance(7_000);
    expect(circuit.state).toBe('half-open');
  });

  it('answers from the chain, labelled by headers', async () => {
    const server = await serve(json({ y: 1 }));
    const route = httpRoute<{ x: number }, { y: number }>(`POST ${server.url}/v1/models/:name/predict`);
    const fallbacks = new FallbackRegistry().register(route, [
      lastGood(),
      defaultPrediction({ body: { y: 0 } }),
    ]);
    const { guard, fetch } = make({ fallbacks });
    await (await fetch(`${server.url}${PATH}`, post({ x: 1 }, { 'x-api-key': 'ada' }))).text();
    server.handler = json({}, 500);
    const kept = await fetch(`${server.url}${PATH}`, post({ x: 1 }, { 'x-api-key': 'ada' }));
    expect(kept.status).toBe(200);
    expect(kept.headers.get('failsoft-source')).toBe('last-good');
    expect(kept.headers.get('failsoft-cause')).toBe('INTERNAL');
    expect(kept.headers.get('content-type')).toBe('application/json');
    expect(await kept.json()).toEqual({ y: 1 });
    expect(provenanceOf(kept)).toMatchObject({ source: 'last-good', degraded: true });
    // neither another caller, nor another model behind the same route, nor another request gets that answer
    for (const [path, body, apiKey] of [
      [PATH, { x: 1 }, 'eve'],
      ['/v1/models/wine/predict', { x: 1 }, 'ada'],
      [PATH, { x: 2 }, 'ada'],
    ] as const) {
      const other = await fetch(`${server.url}${path}`, post(body, { 'x-api-key': apiKey }));
      expect(other.headers.get('failsoft-source')).toBe('default');
      expect(await other.json()).toEqual({ y: 0 });
    }
    const plain = await fetch(`${server.url}${PATH}`, {
      ...post({ x: 1 }),
      failsoft: { fallback: false, mode: 'observe' },
    });
    expect(plain.status).toBe(500);
    await plain.text();
    expect(guard.circuit(route).inFlight).toBe(0);
  });

  it('falls back on a smaller model by another fetch', async () => {
    const small = await serve(json({ y: 9 }));
    const server = await serve(json({}, 503));
    const route = httpRoute<unknown, unknown>(`POST ${server.url}/v1/models/:name/predict`);
    const fallbacks = new FallbackRegistry().register(route, [
      answerWith('small', async ({ request, signal }) =>
        httpAnswer(await globalThis.fetch(small.url, { ...post(request.body), signal })),
      ),
    ]);
    const response = await make({ fallbacks }).fetch(`${server.url}${PATH}`, post({ x: 1 }));
    expect(response.headers.get('failsoft-source')).toBe('secondary:small');
    expect(await response.json()).toEqual({ y: 9 });
  });

  it('counts a refused connection and an unknown host; not arguments that fetch refuses', async () => {
    const { guard, fetch } = make();
    const closed = 'http://127.0.0.1:1';
    await expect(fetch(closed)).rejects.toThrow('fetch failed');
    expect(guard.circuit(`GET ${closed}`).snapshot().totals.outcomes.failure).toBe(1);
    await expect(fetch('no url')).rejects.toThrow(TypeError);
    const server = await serve(json({}));
    await expect(fetch(server.url, { method: 'GET', body: 'x' })).rejects.toThrow(TypeError);
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes).toMatchObject({
      failure: 0,
      ignored: 1,
    });
  });

  it('ends at its deadline, and falls back in the time reserved', async () => {
    const server = await serve(() => {});
    const route = httpRoute(`GET ${server.url}`);
    const fallbacks = new FallbackRegistry().register(route, [defaultPrediction({ body: 'try later' })]);
    const { fetch } = make({ fallbacks, defaultDeadlineMs: 60, fallbackReserveMs: 20 });
    const response = await fetch(server.url);
    expect(response.headers.get('failsoft-cause')).toBe('DEADLINE_EXCEEDED');
    expect(await response.text()).toBe('try later');
    const bare = make({ defaultDeadlineMs: 30 });
    await expect(bare.fetch(server.url)).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(bare.guard.circuit(route).snapshot().totals.outcomes.failure).toBe(1);
  });

  it('treats a caller that cancels and a caller whose time is over differently', async () => {
    const server = await serve(() => {});
    const { guard, fetch } = make({ minimumDeadlineMs: 1 });
    const outcomes = () => guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes;
    const controller = new AbortController();
    const cancelled = fetch(server.url, { signal: controller.signal });
    await expect.poll(() => server.requests).toBe(1);
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ name: 'AbortError' });
    expect(outcomes()).toMatchObject({ ignored: 1, failure: 0 });
    await expect(fetch(server.url, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(outcomes()).toMatchObject({ ignored: 1, failure: 1 });
    await expect(fetch(server.url, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(outcomes().ignored).toBe(1);
    expect(guard.circuit(`GET ${server.url}`).inFlight).toBe(0);
  });

  it('ends the body of a bad response at the deadline', async () => {
    const server = await serve((_, response) => {
      response.writeHead(503);
      response.write('a part');
    });
    const clock = new ManualClock(Date.now());
    const { fetch } = make({ clock, defaultDeadlineMs: 5_000 });
    const response = await fetch(server.url);
    expect(response.status).toBe(503);
    clock.advance(5_000);
    await expect(response.text()).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives a caller whose time is over only a fallback that is there at once', async () => {
    const server = await serve(() => {});
    const route = httpRoute(`GET ${server.url}`);
    const never = () => new Promise<never>(() => {});
    const waiting = make({ fallbacks: new FallbackRegistry().register(route, [answerWith('slow', never)]) });
    await expect(waiting.fetch(server.url, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const ready = make({
      fallbacks: new FallbackRegistry().register(route, [answerWith('ready', async () => ({ body: 'now' }))]),
    });
    const response = await ready.fetch(server.url, { signal: AbortSignal.timeout(30) });
    expect(await response.text()).toBe('now');
  });

  it('leaves no listener on the signal of a caller that goes on, however its requests end', async () => {
    const { signal } = new AbortController();
    const server = await serve(json({}, 503));
    const { guard, fetch } = make();
    for (let n = 0; n < 5; n++) await (await fetch(server.url, { signal }).catch(() => undefined))?.text();
    expect(guard.circuit(`GET ${server.url}`).state).toBe('open');
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('rejects with the reason of a caller that goes while a fallback is asked', async () => {
    const server = await serve(json({}, 503));
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [
      answerWith('slow', () => new Promise<never>(() => {})),
    ]);
    const { guard, fetch } = make({ fallbacks });
    const isolated = guard.circuit(`GET ${server.url}`);
    for (const isRejected of [false, true]) {
      if (isRejected) isolated.isolate();
      const controller = new AbortController();
      const ended: string[] = [];
      const stop = guard.on('call', ({ source }) => void ended.push(source));
      const asked = fetch(server.url, { signal: controller.signal });
      setTimeout(() => controller.abort(new Error('gone')), 30);
      await expect(asked).rejects.toThrow('gone');
      expect(ended).toEqual(['none']);
      stop();
    }
    expect(guard.answers()).toEqual([]);
    expect(isolated.inFlight).toBe(0);
  });

  it.each([
    ['nothing', undefined],
    ['an object without headers', { ok: true, status: 200 }],
  ])('gives its permit back where a fetch of the user gives %s', async (_name, odd) => {
    const real = async () => odd as unknown as Response;
    const { guard, fetch } = make({}, { fetch: real });
    await expect(fetch('http://odd.example/')).rejects.toThrow(TypeError);
    expect(guard.circuit('GET http://odd.example').inFlight).toBe(0);
  });

  it('bears a body that is no bytes', async () => {
    const closers: (() => unknown)[] = [];
    const errors = uncaughtErrors(closers);
    onTestFinished(() => {
      for (const close of closers) close();
    });
    const body = () => new ReadableStream({ start: (controller) => controller.enqueue(null) });
    const real = async () => ({ ok: true, status: 200, headers: new Headers(), body: body() }) as Response;
    const { guard, fetch } = make({}, { fetch: real });
    const response = await fetch('http://odd.example/');
    await expect(response.text()).rejects.toThrow();
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toEqual([]);
    expect(guard.circuit('GET http://odd.example').inFlight).toBe(0);
  });

  it('passes on responses that `new Response()` refuses: a status of 999, a reason in UTF-8', async () => {
    const server = createTcpServer((socket) =>
      socket.once('data', (data) => {
        const line = String(data).startsWith('GET /999') ? '999 Denied' : '200 正常';
        socket.end(`HTTP/1.1 ${line}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok`);
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { guard, fetch } = make();
    const denied = await fetch(`${url}/999`);
    expect([denied.status, denied.ok, await denied.text()]).toEqual([999, false, 'ok']);
    const good = await fetch(`${url}/good`);
    expect([good.status, good.ok, await good.text()]).toEqual([200, true, 'ok']);
    expect(guard.circuit(`GET ${url}`).inFlight).toBe(0);
    expect(guard.circuit(`GET ${url}`).snapshot().totals.outcomes).toMatchObject({ failure: 1, success: 1 });
  });

  it('gives responses whose clones have their address and their source', async () => {
    const server = await serve(json({ y: 1 }));
    const route = httpRoute(`GET ${server.url}`);
    const fallbacks = new FallbackRegistry().register(route, [defaultPrediction({ body: 'try later' })]);
    const { fetch } = make({ fallbacks });
    const good = await fetch(server.url);
    expect(good.clone().clone().url).toBe(`${server.url}/`);
    expect(await good.json()).toEqual({ y: 1 });
    server.handler = json({}, 503);
    const answered = await fetch(server.url);
    const copy = answered.clone().clone();
    expect(provenanceOf(copy)).toMatchObject({ source: 'default', degraded: true });
    expect([copy.url, await copy.text(), await answered.text()]).toEqual([
      `${server.url}/`,
      'try later',
      'try later',
    ]);
  });

  it('takes a Request for its options, as fetch does', async () => {
    let seen = '';
    const server = await serve((request, response, body) => {
      seen = `${request.method} ${request.headers['x-key']} ${body}`;
      response.end();
    });
    const { fetch } = make();
    const given = new Request('http://other.example/', {
      method: 'POST',
      headers: { 'x-key': 'k' },
      body: 'b',
    });
    await fetch(server.url, given);
    expect(seen).toBe('POST k b');
    await fetch(server.url, { headers: { 'x-key': 'own' }, method: 'PUT' });
    expect(seen).toBe('PUT own ');
  });

  it('uses no route where the function for routes throws, and reports the error', async () => {
    const server = await serve(json({}));
    const routes = (url: URL) => {
      url.pathname = '/elsewhere';
      throw new Error('no route');
    };
    const { guard, fetch } = make({}, { routes });
    const reported: string[] = [];
    guard.on('warning', ({ source }) => void reported.push(source));
    expect((await fetch(`${server.url}${PATH}`)).url).toBe(`${server.url}${PATH}`);
    expect(reported).toEqual(['routes of guardedFetch()']);
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.admitted).toBe(1);
  });

  it('waits no longer than its deadline for classifyResponse', async () => {
    const server = await serve(json({}));
    const classifyResponse = () => new Promise<never>(() => {});
    const { guard, fetch } = make({ defaultDeadlineMs: 40, minimumDeadlineMs: 1 }, { classifyResponse });
    await expect(fetch(server.url)).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(guard.circuit(`GET ${server.url}`)).toMatchObject({ inFlight: 0 });
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes.failure).toBe(1);
  });

  it.each<[string, GuardedFetchOptions, object, string[] | undefined, boolean]>([
    ['the global fetch', {}, {}, undefined, true],
    ['the global fetch, of which the user says otherwise', { sendsAsGiven: false }, {}, undefined, false],
    ['a dispatcher of the request', {}, { dispatcher: undefined }, undefined, false],
    ['another fetch', { fetch: (...args) => globalThis.fetch(...args) }, {}, undefined, false],
    [
      'another fetch, with the statement',
      { fetch: globalThis.fetch, sendsAsGiven: true },
      {},
      undefined,
      true,
    ],
    ['another fetch, where callers share answers', { fetch: globalThis.fetch }, {}, [], true],
  ])(
    'keeps an answer only if the headers were certainly sent as given: by %s',
    async (_, options, init, vary, isKept) => {
      const server = await serve(json({ y: 1 }));
      const keeper = lastGood<HttpRequest, HttpAnswer>(vary === undefined ? {} : { vary });
      const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [keeper]);
      const { guard, fetch } = make({ fallbacks }, options);
      const warnings: unknown[] = [];
      guard.on('warning', ({ error }) => warnings.push(error));
      const asAda = { headers: { authorization: 'ada' }, ...init };
      await (await fetch(server.url, asAda)).text();
      expect(keeper.stats()).toMatchObject({
        kept: isKept ? 1 : 0,
        skipped: { unknownCaller: isKept ? 0 : 1 },
      });
      expect(warnings).toEqual(isKept ? [] : [expect.stringContaining('sendsAsGiven: true')]);
      server.handler = json({}, 503);
      expect((await fetch(server.url, asAda)).status).toBe(isKept ? 200 : 503);
    },
  );

  it('sends headers that can be read only once', async () => {
    const sent: unknown[] = [];
    const server = await serve(({ headers }, response) => {
      sent.push(headers.authorization);
      response.end();
    });
    const { fetch } = make();
    const init: RequestInit = {};
    Reflect.set(init, 'headers', new Map([['authorization', 'ada']]).entries()); // fetch takes it, its types do not
    await fetch(server.url, init);
    expect(sent).toEqual(['ada']);
  });

  it('keeps no answer that is only for the headers of its request', async () => {
    const odd: Handler[] = [
      json('a part', 206),
      json('any', 200, { vary: '*' }),
      json('any', 200, { vary: 'accept, *' }),
    ];
    for (const handler of odd) {
      const server = await serve(handler);
      const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [lastGood()]);
      const { fetch } = make({ fallbacks });
      await (await fetch(server.url)).text();
      server.handler = json({}, 503);
      expect((await fetch(server.url)).status).toBe(503);
    }
  });

  it('counts a body that breaks as a failure', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"half":', () => response.destroy());
    });
    const { guard, fetch } = make();
    const response = await fetch(server.url);
    await expect(response.text()).rejects.toThrow();
    expect(guard.circuit(`GET ${server.url}`).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 1, success: 0 } },
    });
  });

  it('gives the permit back when the body is cancelled, or never read', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200);
      response.write('x'.repeat(1_000_000));
    });
    const clock = new ManualClock(Date.now());
    const { guard, fetch } = make({ clock });
    const circuit = guard.circuit(`GET ${server.url}`);
    const response = await fetch(server.url);
    expect(circuit.inFlight).toBe(1);
    await response.body?.cancel();
    expect(circuit.snapshot()).toMatchObject({ inFlight: 0, totals: { outcomes: { ignored: 1 } } });
    await fetch(server.url);
    await expect
      .poll(() => {
        clock.advance(60_001);
        return circuit.inFlight;
      })
      .toBe(0);
    server.handler = json({ short: true });
    await fetch(server.url); // a short body comes to its end unread
    await expect.poll(() => circuit.inFlight).toBe(0);
  });

  it('judges errors inside good responses', async () => {
    const server = await serve(json({ error: { message: 'out of memory' } }));
    const warnings: string[] = [];
    const { guard, fetch } = make(
      {},
      {
        classifyResponse: async (response) =>
          'error' in ((await response.clone().json()) as object) ? 'failure' : undefined,
      },
    );
    guard.on('warning', ({ source }) => warnings.push(source));
    const response = await fetch(server.url);
    expect(await response.json()).toEqual({ error: { message: 'out of memory' } });
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes.failure).toBe(1);
    server.handler = (_, answer) => answer.end('no json');
    expect(await (await fetch(server.url)).text()).toBe('no json');
    expect(warnings).toEqual(['classifyResponse']);
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes.success).toBe(1);
  });

  it('has a circuit per model where the body names it', async () => {
    const server = await serve((_, response, body) => {
      response.writeHead(JSON.parse(body).model === 'bad' ? 500 : 200).end();
    });
    const { guard, fetch } = make({ keyBy: perJsonField('model') });
    const call = (model: string) => fetch(server.url, post({ model }));
    for (const model of ['bad', 'good', 'bad', 'good']) await call(model);
    await expect(call('bad')).rejects.toMatchObject({ code: 'FAILSOFT_REJECTED' });
    expect((await call('good')).status).toBe(200);
    expect(guard.circuit(`POST ${server.url}`, 'bad').state).toBe('open');
  });

  it('takes Request objects, and reads their bodies with `readRequests`', async () => {
    const server = await serve((_, response, body) => response.end(body));
    const request = () => new Request(server.url, { ...post({ model: 'm' }) });
    const { guard, fetch } = make({ keyBy: perJsonField('model') }, { readRequests: true });
    expect(await (await fetch(request())).json()).toEqual({ model: 'm' });
    expect(guard.circuit(`POST ${server.url}`, 'm').snapshot().totals.outcomes.success).toBe(1);
    const blind = make({ keyBy: perJsonField('model') });
    expect(await (await blind.fetch(request())).json()).toEqual({ model: 'm' });
    expect(blind.guard.circuit(`POST ${server.url}`).snapshot().totals.outcomes.success).toBe(1);
  });

  it('has rules for a route, an origin and a pattern', async () => {
    const server = await serve(json({}));
    const { guard, fetch } = make({
      methods: [
        { match: 'GET http*', circuit: { mode: 'observe' } },
        { match: server.url, circuit: { mode: 'off' } },
        { match: `POST ${server.url}/v1/models/:name/predict`, guard: false },
      ],
    });
    await (await fetch('http://127.0.0.1:1').catch(() => new Response())).text();
    await (await fetch(server.url)).text();
    await (await fetch(`${server.url}${PATH}`, post({}))).text();
    const modes = guard.snapshots().map(({ circuitKey, mode }) => [circuitKey, mode]);
    expect(modes).toEqual([
      ['GET http://127.0.0.1:1', 'observe'],
      [`GET ${server.url}`, 'off'],
    ]);
  });

  it("passes a gateway's label on as upstream, and takes none for its own", async () => {
    const server = await serve(json({}, 200, { 'failsoft-source': 'default' }));
    const response = await make().fetch(server.url);
    expect(provenanceOf(response)).toMatchObject({
      source: 'primary',
      degraded: true,
      upstream: { source: 'default' },
    });
  });

  it.each([
    ['routes', { routes: ['v1'] }],
    ['routes', { routes: 1 }],
    ['classifyResponse', { classifyResponse: 1 }],
    ['readRequests', { readRequests: 1 }],
    ['fetch', { fetch: 1 }],
    ['route', { route: [] }],
  ])('names the bad option %s', (field, options) => {
    expect(() => Reflect.apply(guardedFetch, undefined, [createGuard(), options])).toThrow(
      `options.${field}`,
    );
  });

  it('makes a thousand requests at once, and leaves nothing behind', async () => {
    const closers: (() => unknown)[] = [];
    const uncaught = uncaughtErrors(closers);
    onTestFinished(() => {
      for (const close of closers) close();
    });
    const server = await serve((request, response) => {
      const n = Number(request.url?.slice(1));
      if (n % 5 === 0) return void response.destroy();
      response.writeHead(n % 3 === 0 ? 503 : 200, { 'content-type': 'application/json' });
      response.write('{"n":');
      if (n % 7 === 0) return void setImmediate(() => response.destroy());
      response.end(`${n}}`);
    });
    const { guard, fetch } = make();
    const ends = await Promise.allSettled(
      Array.from({ length: inFull(1000, 200) }, async (_, n) => {
        const controller = new AbortController();
        if (n % 11 === 0) setTimeout(() => controller.abort(), 5);
        const response = await fetch(`${server.url}/${n}`, {
          signal: controller.signal,
          failsoft: { mode: 'observe' },
        });
        if (n % 13 === 0) return response.body?.cancel();
        return response.json();
      }),
    );
    expect(new Set(ends.map(({ status }) => status)).size).toBe(2);
    const circuit = guard.circuit(`GET ${server.url}`);
    await expect.poll(() => circuit.inFlight).toBe(0);
    const { outcomes } = circuit.snapshot().totals;
    expect(Object.values(outcomes).reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(ends.length);
    expect(uncaught).toEqual([]);
  });
});

describe('server-sent events', () => {
  const events =
    (
      texts: readonly string[],
      end: (response: ServerResponse) => void = (response) => response.end(),
    ): Handler =>
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const text of texts) response.write(`data: ${text}\n\n`);
      end(response);
    };
  const stream = post({ stream: true });

  function guarded(url: string, options: GuardOptions = {}) {
    const route = httpRoute(`POST ${url}`);
    const canned = { headers: { 'content-type': 'text/event-stream' }, body: 'data: sorry\n\n' };
    const fallbacks = new FallbackRegistry().register(route, [defaultPrediction(canned)]);
    return { route, ...make({ fallbacks, minimumDeadlineMs: 1, ...options }) };
  }

  it('passes events on as they come', async () => {
    const server = await serve(events(['a', 'b']));
    const { guard, fetch, route } = guarded(server.url);
    expect(await (await fetch(server.url, stream)).text()).toBe('data: a\n\ndata: b\n\n');
    expect(guard.circuit(route).snapshot().totals.outcomes.success).toBe(1);
  });

  it('falls back where no first event comes in time, before and after the headers', async () => {
    const server = await serve(() => {});
    const { fetch, guard, route } = guarded(server.url, { firstMessageTimeoutMs: 40 });
    const silent = await fetch(server.url, stream);
    expect(silent.headers.get('failsoft-source')).toBe('default');
    expect(await silent.text()).toBe('data: sorry\n\n');
    server.handler = events([], (response) => response.flushHeaders());
    const headersOnly = await fetch(server.url, stream);
    expect(headersOnly.headers.get('failsoft-cause')).toBe('DEADLINE_EXCEEDED');
    expect(guard.circuit(route).snapshot().totals.outcomes.failure).toBe(2);
  });

  it('ends a stream that stalls, and counts it', async () => {
    const server = await serve(events(['a'], () => {}));
    const { fetch, guard, route } = guarded(server.url, { stallTimeoutMs: 40 });
    const response = await fetch(server.url, stream);
    await expect(response.text()).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(guard.circuit(route).snapshot()).toMatchObject({
      inFlight: 0,
      totals: { outcomes: { failure: 1 } },
    });
  });

  it('has no deadline after its first event', async () => {
    let end = () => {};
    const server = await serve(
      events(['a'], (response) => {
        end = () => response.end('data: b\n\n');
      }),
    );
    const clock = new ManualClock(Date.now());
    const { fetch } = guarded(server.url, { clock, defaultDeadlineMs: 1_000 });
    const response = await fetch(server.url, stream);
    clock.advance(2_000);
    end();
    expect(await response.text()).toBe('data: a\n\ndata: b\n\n');
  });

  it('passes a break after the first event on, and counts it', async () => {
    const server = await serve(events(['a'], (response) => setTimeout(() => response.destroy(), 20)));
    const { fetch, guard, route } = guarded(server.url);
    await expect((await fetch(server.url, stream)).text()).rejects.toThrow();
    expect(guard.circuit(route).snapshot().totals.outcomes.failure).toBe(1);
  });
});
