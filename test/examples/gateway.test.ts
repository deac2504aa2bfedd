import { request } from 'node:http';
import { status } from '@grpc/grpc-js';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it, vi } from 'vitest';
import { portFrom } from '../../examples/gateway/port.js';
import { problemOf } from '../../examples/gateway/problem.js';
import { CIRCUIT, inputs, MODEL, startGateway } from './gateway-setup.js';
import { run } from './support.js';

const [known = [], unknown = []] = inputs;

/** The parts of a response that tests compare. */
async function shape(response: Response) {
  const { status: code, headers } = response;
  const type = headers.get('content-type')?.split(';')[0];
  const body: unknown = await response.json();
  return {
    code,
    type,
    source: headers.get('x-failsoft-source'),
    age: headers.get('age'),
    retryAfter: headers.get('retry-after'),
    body,
  };
}

const patience = { timeout: 30_000 };
const noLabels = { source: null, age: null, retryAfter: null };
const json = { type: 'application/json' };
const problem = { type: 'application/problem+json', ...noLabels };
const level = expect.stringMatching(/^(none|low|normal|high|peak)$/);

describe('a prediction', () => {
  it('comes from the model, without a label', async () => {
    const { predict } = await startGateway();
    expect(await shape(await predict({ features: known }))).toEqual({
      code: 200,
      ...json,
      ...noLabels,
      body: { model: MODEL, level },
    });
  });

  it('comes from each fallback in turn, labelled with source and age', async () => {
    const clock = new ManualClock(1_000_000);
    const { predict, models } = await startGateway({ clock });
    const good = await shape(await predict({ features: known }));
    clock.advance(90_900);
    models.faults.set(MODEL, { error: { code: status.UNAVAILABLE } });
    const answer = { code: 200, ...json, retryAfter: null };

    const kept = { ...answer, source: 'last-good', age: '90', body: good.body };
    expect(await shape(await predict({ features: known }))).toEqual(kept);
    const small = {
      ...answer,
      source: 'secondary:small',
      age: null,
      body: { model: 'demand-small', level },
    };
    expect(await shape(await predict({ features: unknown }))).toEqual(small);
    models.faults.set('demand-small', { error: { code: status.INTERNAL } });
    const usual = { ...answer, source: 'default', age: null, body: { model: MODEL, level: 'normal' } };
    expect(await shape(await predict({ features: unknown }))).toEqual(usual);
  });

  it('is never given to another caller', async () => {
    const { predict, models } = await startGateway();
    const as = (authorization: string) =>
      predict({ features: known }, { headers: { authorization } }).then(
        (response) => response.headers.get('x-failsoft-source') ?? 'primary',
      );
    expect(await as('Bearer alice')).toBe('primary');
    models.faults.set(MODEL, { error: { code: status.UNAVAILABLE } });
    expect(await as('Bearer alice')).toBe('last-good');
    expect(await as('Bearer bob')).toBe('secondary:small');
  });
});

describe('an open circuit without a fallback', () => {
  it('is a 503 with the time of the next try, until the model is back', async () => {
    const clock = new ManualClock(1_000_000);
    const open = { baseMs: 30_000, jitter: 'none' } as const;
    const { predict, models, guard } = await startGateway({ clock, circuit: { open } });
    const ask = async () => shape(await predict({ features: known }, { query: '?fallback=none' }));
    models.faults.set(MODEL, { error: { code: status.UNAVAILABLE } });
    for (let call = 1; call <= 5; call++) expect(await ask()).toMatchObject({ code: 503, retryAfter: null });

    const rejected = (retryAfter: string) => ({
      ...problem,
      code: 503,
      retryAfter,
      body: {
        type: 'https://example.com/problems/circuit-rejection',
        title: 'The model takes no calls at the moment',
        status: 503,
        detail: `Try again in ${retryAfter} s.`,
        circuitKey: CIRCUIT,
        reason: 'CIRCUIT_OPEN',
      },
    });
    expect(await ask()).toEqual(rejected('30'));
    clock.advance(1);
    expect(await ask()).toEqual(rejected('30'));
    clock.advance(28_999);
    expect(await ask()).toEqual(rejected('1'));
    clock.advance(990);
    expect(await ask()).toEqual(rejected('1'));

    // With its fallbacks the same call is answered: only this caller asked for the error.
    const answered = await predict({ features: known });
    expect(answered.status).toBe(200);
    expect(answered.headers.get('x-failsoft-source')).toBe('secondary:small');

    models.faults.clear(MODEL);
    clock.advance(10);
    expect(await ask()).toMatchObject({ code: 200, source: null });
    expect(guard?.circuit('/inference.GRPCInferenceService/ModelInfer', MODEL).state).toBe('recovering');
  });

  it('has a Retry-After of at least a second, also where the circuit gives no time', async () => {
    const { predict, guard } = await startGateway();
    using _isolated = guard?.circuit('/inference.GRPCInferenceService/ModelInfer', MODEL).isolate();
    const { code, retryAfter, body } = await shape(
      await predict({ features: known }, { query: '?fallback=none' }),
    );
    expect({ code, retryAfter }).toEqual({ code: 503, retryAfter: '1' });
    expect(body).toMatchObject({ reason: 'ISOLATED' });
  });
});

describe("a caller's error", () => {
  it.each<
    [what: string, body: unknown, init: RequestInit & { query?: string }, code: number, detail: RegExp]
  >([
    ['an unknown model', { features: known, model: 'other' }, {}, 404, /unknown model/],
    [
      'too few features, which the model refuses',
      { features: known.slice(1) },
      {},
      400,
      /16\] of "features"/,
    ],
    ['no features', {}, {}, 400, /features/],
    ['a text in place of a number', { features: ['1', ...known.slice(1)] }, {}, 400, /must be number/],
    ['a number that no float32 holds', { features: [1e39, ...known.slice(1)] }, {}, 400, /must be <=/],
    ['an unknown field', { features: known, modle: 'x' }, {}, 400, /additional properties/],
    ['an unknown fallback', { features: known }, { query: '?fallback=maybe' }, 400, /allowed values/],
    ['no JSON', undefined, { body: '{' }, 400, /JSON/],
    ['another content type', {}, { headers: { 'content-type': 'text/csv' } }, 415, /Unsupported/],
    ['a token that gRPC cannot carry', { features: known }, { headers: { authorization: 'é' } }, 400, /auth/],
    ['another method', {}, { method: 'PUT' }, 404, /POST \/predict/],
  ])('%s is a problem, and no fallback hides it', async (_what, body, init, code, detail) => {
    const { predict, guard } = await startGateway();
    const answer = await shape(await predict(body, init));
    expect(answer).toEqual({
      ...problem,
      code,
      body: {
        type: 'about:blank',
        title: expect.any(String),
        status: code,
        detail: expect.stringMatching(detail),
      },
    });
    for (const { totals, window } of guard?.snapshots() ?? []) {
      expect(window.unhealthy).toBe(0);
      expect(totals.outcomes.failure).toBe(0);
    }
  });
});

describe("the model's error", () => {
  it.each([
    ['DEADLINE_EXCEEDED', 504, 'The model did not answer in time.'],
    ['UNAVAILABLE', 503, 'The model cannot be reached.'],
    ['RESOURCE_EXHAUSTED', 503, 'The model has too much to do.'],
    ['INTERNAL', 502, 'The model failed.'],
    ['DATA_LOSS', 502, 'The model failed.'],
  ] as const)('%s without a fallback is a %i, without its details', async (name, code, detail) => {
    const { predict, models } = await startGateway();
    models.faults.set(MODEL, { error: { code: status[name], details: 'node gpu-17 of the east cluster' } });
    const answer = await shape(await predict({ features: known }, { query: '?fallback=none' }));
    expect(answer).toMatchObject({ ...problem, code, body: { type: 'about:blank', status: code, detail } });
  });

  it('a deadline that passes is a 504', async () => {
    const { predict, models } = await startGateway({ deadlineMs: 100 });
    models.faults.set(MODEL, { hangShare: 1 });
    const answer = await shape(await predict({ features: known }, { query: '?fallback=none' }));
    expect(answer).toMatchObject({ ...problem, code: 504 });
  });

  it.each([undefined, null, 'x', new Error('secret'), { statusCode: 503, message: 'secret' }])(
    'anything else that is thrown (%s) is a 500 without details',
    (thrown) => {
      expect(problemOf(thrown).problem).toEqual({
        type: 'about:blank',
        title: 'Internal Server Error',
        status: 500,
        detail: 'Something went wrong.',
      });
    },
  );
});

describe('a caller that leaves', () => {
  it('ends its call, which does not count against the model', async () => {
    const { url, models, guard } = await startGateway({ deadlineMs: 600_000 });
    models.faults.set(MODEL, { hangShare: 1 });
    // Not fetch(): it opens a new connection in place of an aborted one, and the gateway's close() waits for that.
    const headers = { 'content-type': 'application/json' };
    const asked = request(`${url}/predict`, { method: 'POST', headers, agent: false });
    asked.on('error', () => {}); // its own abort
    asked.end(JSON.stringify({ features: known }));
    await vi.waitUntil(() => models.load(MODEL).running === 1, patience);
    asked.destroy();
    await vi.waitUntil(() => models.load(MODEL).running === 0, patience);
    await vi.waitUntil(() => guard?.snapshots()[0]?.inFlight === 0, patience);
    expect(guard?.snapshots()[0]?.totals.outcomes).toMatchObject({ ignored: 1, failure: 0 });
  });
});

describe('npm run example:gateway', () => {
  it.each(['http', '-1', '65536', '80.5', ' 80', '1e3'])(
    'refuses PORT=%s with the range that it takes',
    (port) => {
      expect(() => portFrom(port)).toThrow(
        `PORT: expected an integer from 0 to 65535, got ${JSON.stringify(port)}`,
      );
    },
  );

  it('ends with 2 and that message', async () => {
    vi.stubEnv('PORT', 'http');
    const program = run('examples/gateway/main.ts');
    vi.unstubAllEnvs();
    expect(await program.ended()).toBe(2);
    expect(program.stderr()).toBe('PORT: expected an integer from 0 to 65535, got "http"\n');
    expect(program.stdout()).toBe('');
  });

  it('reports that its PORT is taken', async () => {
    const { url } = await startGateway();
    const { port } = new URL(url);
    vi.stubEnv('PORT', port);
    const program = run('examples/gateway/main.ts');
    vi.unstubAllEnvs();
    expect(await program.ended()).toBe(1);
    expect(program.stderr()).toMatch(new RegExp(`^PORT: cannot listen on ${port}: .*EADDRINUSE.*\n$`));
  });

  it('prints commands that work, and stops cleanly', { timeout: 120_000 }, async () => {
    const program = run('examples/gateway/main.ts');
    await program.prints('Ctrl-C stops the gateway.');
    const text = program.stdout();
    const [, url = '', body = ''] = /curl -i (\S+)\/predict .* -d '(.*)'/.exec(text) ?? [];
    const headers = { 'content-type': 'application/json' };
    const predict = (query: string) => fetch(`${url}/predict${query}`, { method: 'POST', headers, body });
    const answered = async (source: string | null) => {
      const response = await predict('');
      return response.status === 200 && response.headers.get('x-failsoft-source') === source;
    };
    // On a busy machine the first answers may miss their deadline.
    await vi.waitUntil(() => answered(null), patience);
    expect(await (await fetch(`${url}/demo/hang`, { method: 'PUT' })).json()).toEqual({ [MODEL]: 'hangs' });
    expect(await answered('last-good')).toBe(true);
    await vi.waitUntil(async () => {
      const response = await predict('?fallback=none');
      return response.status === 503 && Number(response.headers.get('retry-after')) > 0;
    }, patience);
    await program.prints(`${CIRCUIT}: closed -> open (`);
    expect(await (await fetch(`${url}/demo/hang`, { method: 'DELETE' })).json()).toEqual({
      [MODEL]: 'healthy',
    });
    program.process.kill('SIGINT');
    expect(await program.ended(), program.stderr()).toBe(0);
    expect(program.stderr()).toBe('');
  });
});
