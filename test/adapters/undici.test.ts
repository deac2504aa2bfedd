import { Readable, Writable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import {
  answerWith,
  circuitRejectionOf,
  consecutiveFailures,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  type GuardOptions,
  lastGood,
} from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import {
  type GuardInterceptorOptions,
  guardInterceptor,
  type HttpAnswer,
  type HttpRequest,
  httpRoute,
  perJsonField,
} from 'failsoft/undici';
import {
  Agent,
  type Dispatcher,
  fetch,
  getGlobalDispatcher,
  interceptors,
  MockAgent,
  Pool,
  request,
  setGlobalDispatcher,
  stream,
  upgrade,
} from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Handler, json, serveHttp } from '../support/http-server.js';

const PATH = '/v1/models/iris/predict';
const ROUTE = '/v1/models/:name/predict';

function make(
  options: GuardOptions = {},
  interceptorOptions: GuardInterceptorOptions = {},
  ...inner: Dispatcher.DispatcherComposeInterceptor[]
) {
  const guard = createGuard({
    circuit: { trip: [consecutiveFailures({ failures: 2 })], recovering: false },
    ...options,
  });
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const dispatcher = agent.compose(
    ...inner,
    guardInterceptor(guard, { routes: [ROUTE], sendsAsGiven: true, ...interceptorOptions }),
  );
  return { guard, dispatcher };
}

const post = (body: unknown, headers: Record<string, string> = {}) => ({
  method: 'POST' as const,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** An option of failsoft beside undici's. */
const withFailsoft = <T extends object>(options: T, failsoft: object) => Object.assign(options, { failsoft });

const chainOf = (url: string) =>
  new FallbackRegistry().register(httpRoute<{ x: number }, { y: number }>(`POST ${url}${ROUTE}`), [
    lastGood(),
    defaultPrediction({ body: { y: 0 } }),
  ]);

const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

describe('guardInterceptor', () => {
  const signing: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (asked, handler) =>
    dispatch({ ...asked, headers: { authorization: 'service' } }, handler);

  it.each<[string, boolean, string[] | undefined, boolean]>([
    ['no answer without the statement', false, undefined, false],
    ['the answer, where callers share answers', false, [], true],
    ['the answer with the statement', true, undefined, true],
  ])('keeps %s', async (_, sendsAsGiven, vary, isKept) => {
    const tokens: unknown[] = [];
    const server = await serveHttp((incoming, response) => {
      tokens.push(incoming.headers.authorization);
      response.end('good');
    });
    const keeper = lastGood<HttpRequest, HttpAnswer>(vary === undefined ? {} : { vary });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [keeper]);
    const { dispatcher } = make({ fallbacks }, { sendsAsGiven }, ...(sendsAsGiven ? [] : [signing]));
    const asAda = { dispatcher, headers: { authorization: 'ada' } };
    await (await request(server.url, asAda)).body.text();
    expect(tokens).toEqual([sendsAsGiven ? 'ada' : 'service']);
    expect(keeper.stats()).toMatchObject({
      kept: isKept ? 1 : 0,
      skipped: { unknownCaller: isKept ? 0 : 1 },
    });
    server.handler = json({}, 503);
    const again = await request(server.url, asAda);
    expect(again.statusCode).toBe(isKept ? 200 : 503);
    await again.body.text();
  });

  it('is healthy, fails, opens, rejects without a request, and recovers', async () => {
    const clock = new ManualClock(Date.now());
    const server = await serveHttp(json({ y: 1 }));
    const { guard, dispatcher } = make({ clock });
    const ask = () => request(`${server.url}${PATH}`, { dispatcher, ...post({ x: 1 }) });
    const good = await ask();
    expect(good.statusCode).toBe(200);
    expect(good.headers['failsoft-source']).toBeUndefined();
    expect(await good.body.json()).toEqual({ y: 1 });

    server.handler = json({ error: 'down' }, 503);
    for (let n = 0; n < 2; n++) {
      const bad = await ask();
      expect(bad.statusCode).toBe(503);
      expect(await bad.body.json()).toEqual({ error: 'down' });
    }
    const key = `POST ${server.url}${ROUTE}`;
    expect(guard.circuit(key).state).toBe('open');
    const sent = server.requests;
    const error = await caught(ask());
    expect(error).toMatchObject({ code: 'FAILSOFT_REJECTED', cause: { reason: 'CIRCUIT_OPEN' } });
    expect(circuitRejectionOf(error)).toMatchObject({ circuitKey: key, reason: 'CIRCUIT_OPEN' });
    expect(server.requests).toBe(sent);

    server.handler = json({ y: 2 });
    clock.advance(60_000);
    expect(await (await ask()).body.json()).toEqual({ y: 2 });
    expect(guard.circuit(key).state).toBe('closed');
    expect(guard.snapshots().map(({ circuitKey }) => circuitKey)).toEqual([key]);
    expect(guard.circuit(key).inFlight).toBe(0);
  });

  it.each([
    [200, 'success'],
    [204, 'success'],
    [304, 'success'],
    [404, 'caller-error'],
    [408, 'failure'],
    [429, 'overload'],
    [500, 'failure'],
    [529, 'overload'],
  ])('HTTP %i is %s', async (code, outcome) => {
    const server = await serveHttp((_, response) => response.writeHead(code).end());
    const { guard, dispatcher } = make({ minimumDeadlineMs: 0 });
    const response = await request(server.url, { dispatcher });
    expect(response.statusCode).toBe(code);
    await response.body.text();
    const circuit = guard.circuit(`GET ${server.url}`);
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ [outcome]: 1 });
    expect(circuit.inFlight).toBe(0);
  });

  it('answers from the chain, labelled by headers, whether the server fails, is gone or got no request', async () => {
    const server = await serveHttp(json({ y: 1 }));
    const { guard, dispatcher } = make({ fallbacks: chainOf(server.url) });
    const ask = (x: number) => request(`${server.url}${PATH}`, { dispatcher, ...post({ x }) });
    await (await ask(1)).body.text();
    server.handler = json({ long: 'x'.repeat(200_000) }, 500);
    const kept = await ask(1);
    expect(kept.statusCode).toBe(200);
    expect(kept.headers).toMatchObject({
      'failsoft-source': 'last-good',
      'failsoft-cause': 'INTERNAL',
      'content-type': 'application/json',
    });
    expect(await kept.body.json()).toEqual({ y: 1 });
    server.handler = (incoming) => incoming.socket.destroy();
    const gone = await ask(1);
    expect(gone.headers['failsoft-cause']).toBe('UNAVAILABLE');
    expect(await gone.body.json()).toEqual({ y: 1 });
    expect(guard.circuit(`POST ${server.url}${ROUTE}`).state).toBe('open');
    const sent = server.requests;
    const other = await ask(2);
    expect(other.headers).toMatchObject({
      'failsoft-source': 'default',
      'failsoft-cause': 'CIRCUIT_OPEN',
    });
    expect(await other.body.json()).toEqual({ y: 0 });
    expect(server.requests).toBe(sent);
    expect(guard.answers().map(({ source, cause, count }) => [source, cause, count])).toEqual([
      ['primary', null, 1],
      ['last-good', 'failed', 2],
      ['default', 'rejected', 1],
    ]);
  });

  it('gives fallbacks to fetch and stream too', async () => {
    const server = await serveHttp(json({}, 503));
    const url = `${server.url}${PATH}`;
    const fallbacks = new FallbackRegistry()
      .register(httpRoute(`POST ${server.url}${ROUTE}`), [defaultPrediction({ body: { y: 0 } })])
      .register(httpRoute(`GET ${server.url}${ROUTE}`), [defaultPrediction({ status: 203, body: 'none' })]);
    const { dispatcher } = make({ fallbacks });
    const fetched = await fetch(url, { dispatcher, ...post({ x: 1 }) });
    expect(fetched.headers.get('failsoft-source')).toBe('default');
    expect(await fetched.json()).toEqual({ y: 0 });
    let text = '';
    const heads: unknown[] = [];
    await stream(url, { dispatcher, method: 'GET' }, ({ statusCode, headers }) => {
      heads.push([statusCode, headers['failsoft-source']]);
      return new Writable({
        write: (chunk, _encoding, done) => {
          text += chunk;
          done();
        },
      });
    });
    expect(heads).toEqual([[203, 'default']]);
    expect(text).toBe('none');
  });

  it("guards Node's own fetch where it is the global dispatcher: its handlers may have the old shape", async () => {
    const server = await serveHttp(json({ y: 1 }));
    const { guard, dispatcher } = make({ fallbacks: chainOf(server.url) });
    const before = getGlobalDispatcher();
    onTestFinished(() => setGlobalDispatcher(before));
    setGlobalDispatcher(dispatcher);
    const ask = () => globalThis.fetch(`${server.url}${PATH}`, post({ x: 1 }));
    expect(await (await ask()).json()).toEqual({ y: 1 });
    server.handler = json({}, 503);
    const degraded = await ask();
    expect(degraded.headers.get('failsoft-source')).toBe('default');
    expect(await degraded.json()).toEqual({ y: 0 });
    const { outcomes } = guard.circuit(`POST ${server.url}${ROUTE}`).snapshot().totals;
    expect(outcomes).toMatchObject({ success: 1, failure: 1 });
  });

  it("takes Retry-After for push-back, also behind undici's own retries, and counts a request once", async () => {
    const clock = new ManualClock(Date.now());
    const server = await serveHttp((_, response) => response.writeHead(503, { 'retry-after': '30' }).end());
    const retry = interceptors.retry({
      retry: (error, { state }, done) => done(state.counter < 3 ? null : error),
    });
    const { guard, dispatcher } = make(
      {
        clock,
        circuit: { trip: [consecutiveFailures({ failures: 1 })], open: { baseMs: 1_000, jitter: 'none' } },
      },
      {},
      retry,
    );
    await caught(request(server.url, { dispatcher }));
    expect(server.requests).toBe(3);
    const circuit = guard.circuit(`GET ${server.url}`);
    expect(circuit.snapshot().totals.outcomes).toMatchObject({ failure: 1 });
    clock.advance(25_000);
    expect(circuit.state).toBe('open');
    clock.advance(7_000);
    expect(circuit.state).toBe('half-open');
  });

  it('loses nothing of a response that does not wait for the chain: a MockAgent', async () => {
    const agent = new MockAgent();
    onTestFinished(() => agent.close());
    agent.disableNetConnect();
    const origin = 'http://models.example';
    agent.get(origin).intercept({ path: '/' }).reply(503, 'down for now').times(2);
    let isAnswered = false;
    const maybe = answerWith(
      'maybe',
      async (): Promise<HttpAnswer | undefined> => (isAnswered ? { body: 'instead' } : undefined),
    );
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${origin}`), [maybe]);
    const dispatcher = agent.compose(guardInterceptor(createGuard({ fallbacks })));
    const own = await request(origin, { dispatcher });
    expect([own.statusCode, await own.body.text()]).toEqual([503, 'down for now']);
    isAnswered = true;
    const other = await request(origin, { dispatcher });
    expect([other.statusCode, await other.body.text()]).toEqual([200, 'instead']);
  });

  it('leaves no timer behind where the handler throws on a bad response that has already ended', async () => {
    const clock = new ManualClock(Date.now());
    const agent = new MockAgent();
    onTestFinished(() => agent.close());
    agent.disableNetConnect();
    const origin = 'http://models.example';
    agent.get(origin).intercept({ path: '/' }).reply(503, 'down for now');
    const declines = answerWith('declines', async (): Promise<HttpAnswer | undefined> => undefined);
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${origin}`), [declines]);
    const guard = createGuard({ clock, fallbacks, defaultDeadlineMs: 5_000 });
    const dispatcher = agent.compose(guardInterceptor(guard));
    const error = await new Promise<unknown>((resolve) => {
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => {},
        onResponseStart: () => {},
        onResponseData: () => {
          throw new Error('mine');
        },
        onResponseEnd: () => resolve('ended'),
        onResponseError: (_controller, given) => resolve(given),
      };
      dispatcher.dispatch({ origin, path: '/', method: 'GET' }, handler);
    });
    expect(error).toMatchObject({ message: 'mine' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('takes the error of an interceptor for the status that it stands for', async () => {
    // as of interceptors.responseError()
    const failing: Dispatcher.DispatcherComposeInterceptor = () => (_options, handler) => {
      const error = Object.assign(new Error('Not Found'), { statusCode: 404, headers: {} });
      Reflect.apply(handler.onResponseError ?? expect.unreachable, handler, [null, error]);
      return true;
    };
    const { guard, dispatcher } = make({}, {}, failing);
    const error = await caught(request('http://models.example/', { dispatcher }));
    expect(error).toMatchObject({ statusCode: 404 });
    const { outcomes } = guard.circuit('GET http://models.example').snapshot().totals;
    expect(outcomes).toMatchObject({ 'caller-error': 1, failure: 0 });
  });

  it('judges by a header of a good status, and reports a function that throws', async () => {
    const server = await serveHttp(json({ error: 'full' }, 200, { 'x-model-error': 'overloaded' }));
    const warnings: string[] = [];
    const { guard, dispatcher } = make(
      {},
      {
        classifyHead: ({ headers }) => {
          if (headers['x-model-error'] === 'odd') throw new Error('odd');
          return headers['x-model-error'] === 'overloaded' ? 'overload' : undefined;
        },
      },
    );
    guard.on('warning', ({ error }) => warnings.push(String(error)));
    const ask = async () => (await request(server.url, { dispatcher })).body.json();
    expect(await ask()).toEqual({ error: 'full' });
    server.handler = json({}, 200, { 'x-model-error': 'odd' });
    await ask();
    expect(guard.circuit(`GET ${server.url}`).snapshot().totals.outcomes).toMatchObject({
      overload: 1,
      success: 1,
    });
    expect(warnings).toEqual(['Error: odd']);
  });

  it('has a circuit per model of the body, for strings and bytes', async () => {
    const server = await serveHttp(json({}));
    const { guard, dispatcher } = make({ keyBy: perJsonField('model') });
    for (const body of ['{"model":"a"}', Buffer.from('{"model":"b"}')]) {
      const headers = { 'content-type': 'application/json' };
      const response = await request(server.url, { dispatcher, method: 'POST', headers, body });
      await response.body.text();
    }
    const name = `POST ${server.url}`;
    expect(guard.snapshots().map(({ circuitKey }) => circuitKey)).toEqual([`${name}#a`, `${name}#b`]);
  });

  it('passes options of failsoft on, and headers in every form of undici', async () => {
    const seen: (string | undefined)[] = [];
    const server = await serveHttp((incoming, response) => {
      seen.push(incoming.headers['x-key']?.toString());
      response.writeHead(503).end();
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [
      defaultPrediction({ body: 1 }),
    ]);
    const { dispatcher } = make({ fallbacks, circuit: { trip: [consecutiveFailures({ failures: 99 })] } });
    const forms: NonNullable<Dispatcher.DispatchOptions['headers']>[] = [
      { 'x-key': 'a' },
      ['x-key', 'b'],
      new Map([['x-key', 'c']]),
      [['x-key', 'd'] as [string, string]].values(),
    ];
    for (const headers of forms) {
      const options = withFailsoft({ dispatcher, headers }, { fallback: false });
      const response = await request(server.url, options);
      await response.body.text();
      expect(response.statusCode).toBe(503);
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('the time and the end of a guarded dispatch', () => {
  const hangs: Handler = () => {};
  const outcomesOf = (guard: ReturnType<typeof createGuard>, name: string) => {
    const circuit = guard.circuit(name);
    expect(circuit.inFlight).toBe(0);
    return circuit.snapshot().totals.outcomes;
  };

  it('ends at the deadline, with an answer or a TimeoutError', async () => {
    const server = await serveHttp(hangs);
    const { guard, dispatcher } = make({
      defaultDeadlineMs: 60,
      minimumDeadlineMs: 0,
      fallbacks: chainOf(server.url),
    });
    const answered = await request(`${server.url}${PATH}`, { dispatcher, ...post({ x: 1 }) });
    expect(answered.headers['failsoft-cause']).toBe('DEADLINE_EXCEEDED');
    expect(await answered.body.json()).toEqual({ y: 0 });
    expect(await caught(request(server.url, { dispatcher }))).toMatchObject({ name: 'TimeoutError' });
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ failure: 1 });
  });

  it("ignores a request that its caller aborts, and takes AbortSignal.timeout() for the server's fault", async () => {
    const server = await serveHttp(hangs);
    const { guard, dispatcher } = make({ minimumDeadlineMs: 0 });
    const controller = new AbortController();
    server.handler = () => controller.abort(new Error('gone'));
    const { signal } = controller;
    expect(await caught(request(server.url, { dispatcher, signal }))).toMatchObject({ message: 'gone' });
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ ignored: 1, failure: 0 });
    server.handler = hangs;
    const limited = request(server.url, { dispatcher, signal: AbortSignal.timeout(60) });
    expect(await caught(limited)).toMatchObject({ name: 'TimeoutError' });
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ ignored: 1, failure: 1 });
  });

  it('does not wait for a fallback that a caller whose time is over cannot have at once', async () => {
    const server = await serveHttp(hangs);
    const slow = answerWith('slow', () => new Promise<object>(() => {}));
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [slow]);
    const { dispatcher } = make({ fallbacks, minimumDeadlineMs: 0 });
    const limited = request(server.url, { dispatcher, signal: AbortSignal.timeout(60) });
    expect(await caught(limited)).toMatchObject({ name: 'TimeoutError' });
  });

  it('gives no fallback to a caller that leaves while the chain is asked', async () => {
    const server = await serveHttp(json({}, 503));
    const controller = new AbortController();
    const slow = answerWith('slow', () => {
      controller.abort(new Error('gone'));
      return new Promise<object>(() => {});
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [slow]);
    const { guard, dispatcher } = make({ fallbacks });
    const { signal } = controller;
    expect(await caught(request(server.url, { dispatcher, signal }))).toMatchObject({ message: 'gone' });
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ failure: 1 });
  });

  it('a body that breaks is a failure, and a body that the caller destroys is ignored', async () => {
    const server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('a part', () => response.destroy());
    });
    const { guard, dispatcher } = make();
    const broken = await request(server.url, { dispatcher });
    await caught(broken.body.text());
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ failure: 1 });
    server.handler = (_, response) => void response.writeHead(200).write('a part');
    const left = await request(server.url, { dispatcher });
    left.body.on('error', () => {}).destroy();
    await new Promise((resolve) => left.body.once('close', resolve));
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ failure: 1, ignored: 1 });
  });

  it('keeps no answer that is compressed, because undici leaves it so', async () => {
    const server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(gzipSync('{"y":1}'));
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [lastGood()]);
    const { dispatcher } = make({ fallbacks });
    await (await request(server.url, { dispatcher })).body.arrayBuffer();
    server.handler = json({}, 503);
    const { statusCode, body } = await request(server.url, { dispatcher });
    expect([statusCode, await body.text()]).toEqual([503, '{}']);
  });

  it('keeps the pace of a slow reader, and counts its body when it ends', async () => {
    const size = 4_000_000;
    let sent = 0;
    const server = await serveHttp((_, response) => {
      response.writeHead(200);
      const source = new Readable({
        read() {
          if (sent >= size) return void this.push(null);
          sent += 50_000;
          this.push(Buffer.alloc(50_000));
        },
      });
      source.pipe(response);
    });
    const { guard, dispatcher } = make({ abandonedAfterMs: 40 });
    const response = await request(server.url, { dispatcher });
    const circuit = guard.circuit(`GET ${server.url}`);
    await expect.poll(() => circuit.snapshot().totals.outcomes.success).toBe(1); // not read: given back
    const read = await response.body.arrayBuffer();
    expect(read.byteLength).toBe(size);
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ success: 1, ignored: 0 });
  });

  it('answers server-sent events until the first, and ends them when they stall', async () => {
    const clock = new ManualClock(Date.now());
    const server = await serveHttp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      clock.advance(300);
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`POST ${server.url}`), [
      defaultPrediction({ body: 'data: small' }),
    ]);
    const { guard, dispatcher } = make({ clock, fallbacks, firstMessageTimeoutMs: 300, stallTimeoutMs: 300 });
    const ask = () => request(server.url, { dispatcher, ...post({ stream: true }) });
    const hung = await ask();
    expect(hung.headers['failsoft-source']).toBe('default');
    expect(await hung.body.text()).toBe('data: small');
    server.handler = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
    };
    const stalled = await ask();
    clock.advance(300);
    const error = await caught(stalled.body.text());
    expect(error).toMatchObject({
      name: 'TimeoutError',
      message: 'failsoft: no further event within 300 ms',
    });
    expect(outcomesOf(guard, `POST ${server.url}`)).toMatchObject({ failure: 2 });
  });

  it("a request that undici refuses, and an error of the caller's handler, do not count against the server", async () => {
    const server = await serveHttp(json({ y: 1 }));
    const { guard, dispatcher } = make();
    await caught(request(server.url, { dispatcher, headers: { 'transfer-encoding': 'odd' } }));
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ ignored: 1 });
    const error = await new Promise<unknown>((resolve) => {
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => {},
        onResponseStart: () => {
          throw new Error('mine');
        },
        onResponseData: () => {},
        onResponseEnd: () => {},
        onResponseError: (_controller, given) => resolve(given),
      };
      dispatcher.dispatch({ origin: server.url, path: '/', method: 'GET' }, handler);
    });
    expect(error).toMatchObject({ message: 'mine' });
    expect(outcomesOf(guard, `GET ${server.url}`)).toMatchObject({ ignored: 2, success: 0 });
  });

  it('passes the events of a good response on, as they come without a guard', async () => {
    const server = await serveHttp((_, response) => response.end('all'));
    const { dispatcher } = make();
    const bare = new Agent();
    onTestFinished(() => bare.destroy());
    const eventsOf = (by: Dispatcher) =>
      new Promise<string[]>((resolve) => {
        const events: string[] = [];
        const handler: Dispatcher.DispatchHandler = {
          onRequestStart: () => events.push('start'),
          onResponseStarted: () => events.push('started'), // not by the first versions
          onResponseStart: (_controller, code) => events.push(`head ${code}`),
          onResponseData: (_controller, chunk) => events.push(`data ${chunk}`),
          onResponseEnd: () => {
            events.push('end');
            resolve(events);
          },
          onResponseError: (_controller, error) => events.push(String(error)),
        };
        by.dispatch({ origin: server.url, path: '/', method: 'GET' }, handler);
      });
    const guarded = await eventsOf(dispatcher);
    expect(guarded).toEqual(await eventsOf(bare));
    expect(guarded).toEqual(expect.arrayContaining(['start', 'head 200', 'data all', 'end']));
  });

  it('gives a paused handler nothing, and a fallback piece by piece', async () => {
    const server = await serveHttp(json({}, 503));
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [
      defaultPrediction({ body: 'all' }),
    ]);
    const { dispatcher } = make({ fallbacks });
    const events: string[] = [];
    await new Promise<void>((resolve) => {
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => events.push('start'),
        onResponseStart: (controller, status) => {
          events.push(`head ${status}`);
          controller.pause();
          setImmediate(() => {
            events.push('resumed');
            controller.resume();
          });
        },
        onResponseData: (controller, chunk) => {
          events.push(`data ${chunk}`);
          controller.pause();
          setImmediate(() => {
            events.push('resumed');
            controller.resume();
          });
        },
        onResponseEnd: () => {
          events.push('end');
          resolve();
        },
        onResponseError: (_controller, error) => events.push(String(error)),
      };
      dispatcher.dispatch({ origin: server.url, path: '/', method: 'GET' }, handler);
    });
    expect(events).toEqual(['start', 'head 200', 'resumed', 'data all', 'resumed', 'end']);
  });

  it('ends a paused fallback when its caller aborts, while the bad response is still read', async () => {
    const server = await serveHttp((_, response) => {
      response.writeHead(503);
      response.write('a body without an end');
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [
      defaultPrediction({ body: 'all' }),
    ]);
    const { dispatcher } = make({ fallbacks });
    const reason = new Error('the caller has gone');
    const given = await new Promise((resolve) => {
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => {},
        onResponseStart: (controller) => {
          controller.pause();
          setImmediate(() => controller.abort(reason));
        },
        onResponseEnd: () => resolve('end'),
        onResponseError: (_controller, error) => resolve(error),
      };
      dispatcher.dispatch({ origin: server.url, path: '/', method: 'GET' }, handler);
    });
    expect(given).toBe(reason);
  });

  it('sets no timer that outlives a bad response that is too long to be read to its end', async () => {
    const server = await serveHttp((_, response) => {
      response.writeHead(503);
      response.write(Buffer.alloc(100_000));
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [
      defaultPrediction({ body: 'all' }),
    ]);
    const clock = new ManualClock(Date.now());
    const { dispatcher } = make({ fallbacks, clock, defaultDeadlineMs: 60_000 });
    const { body } = await request(server.url, { dispatcher });
    expect(await body.text()).toBe('all');
    await expect.poll(() => clock.pendingTimers).toBe(0);
  });

  it('ends a bad response that hangs: a replaced one after a second, the caller’s own at the deadline', async () => {
    let closed = 0;
    const server = await serveHttp((_, response) => {
      response.on('close', () => closed++);
      response.writeHead(503);
      response.write('a part');
    });
    const fallbacks = new FallbackRegistry().register(httpRoute(`GET ${server.url}`), [
      defaultPrediction({ body: 'all' }),
    ]);
    const clock = new ManualClock(Date.now());
    const replacing = make({ fallbacks, clock });
    const replaced = await request(server.url, { dispatcher: replacing.dispatcher });
    expect(await replaced.body.text()).toBe('all');
    clock.advance(1_000);
    await expect.poll(() => closed).toBe(1);
    expect(server.requests).toBe(1);

    const passing = make({ clock, defaultDeadlineMs: 5_000 });
    const own = await request(server.url, { dispatcher: passing.dispatcher });
    clock.advance(5_000);
    expect(await caught(own.body.text())).toMatchObject({ name: 'TimeoutError' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('passes upgrades and CONNECT on, and destroys the stream of a request that is not made', async () => {
    const server = await serveHttp(json({}, 503));
    server.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: odd\r\n\r\n');
    });
    const { guard, dispatcher } = make();
    const upgraded = await upgrade(server.url, { dispatcher, protocol: 'odd' });
    upgraded.socket.destroy();
    expect(guard.snapshots()).toEqual([]);
    const key = `POST ${server.url}`;
    guard.circuit(key).isolate();
    const body = new Readable({ read() {} });
    expect(
      circuitRejectionOf(await caught(request(server.url, { dispatcher, method: 'POST', body }))),
    ).toMatchObject({
      reason: 'ISOLATED',
    });
    expect(body.destroyed).toBe(true);
  });

  it('requires the origin of a pool, and names the wrong option', async () => {
    const server = await serveHttp(json({ y: 1 }));
    const guard = createGuard();
    const pool = new Pool(server.url);
    onTestFinished(() => pool.destroy());
    const named = pool.compose(guardInterceptor(guard, { origin: server.url }));
    const response = await named.request({ path: '/', method: 'GET' });
    expect(await response.body.json()).toEqual({ y: 1 });
    expect(guard.snapshots()[0]?.circuitKey).toBe(`GET ${server.url}`);
    expect(() => guardInterceptor(guard, { origin: 'odd' })).toThrow('guardInterceptor.options.origin');
    expect(() => guardInterceptor(guard, JSON.parse('{"sendsAsGiven":1}'))).toThrow(
      'guardInterceptor.options.sendsAsGiven',
    );
    expect(() => guardInterceptor(guard, JSON.parse('{"route":[]}'))).toThrow(
      'guardInterceptor.options.route',
    );
    expect(() => guardInterceptor(JSON.parse('{}'))).toThrow('guardInterceptor.guard.begin');
  });
});
