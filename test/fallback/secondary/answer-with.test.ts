import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { answerWith } from '../../../src/fallback/secondary/answer-with.js';
import type { FallbackContext } from '../../../src/fallback/strategy.js';
import { chainOf, FAILED, FakeCall, REJECTED, request, response, TIMED_OUT } from '../support.js';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** An HTTP model endpoint, as FastAPI or SageMaker serve one. */
async function startHttp(handle: (body: string) => { status: number; body: string } | 'hang') {
  const server = createServer(async (incoming, outgoing) => {
    let body = '';
    for await (const chunk of incoming) body += chunk;
    const given = handle(body);
    if (given === 'hang') return;
    outgoing.writeHead(given.status, { 'content-type': 'application/json' }).end(given.body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}/invocations`;
  return async ({ request: asked, signal }: FallbackContext<ModelInferRequest>) => {
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify({ id: asked.id }), signal });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const json: unknown = await answer.json();
    if (typeof json !== 'object' || json === null || !('label' in json)) throw new Error('no label');
    return response({ id: String(json.label) });
  };
}

describe('answerWith', () => {
  it('answers over HTTP, labelled as a secondary', async () => {
    const ask = await startHttp((body) => ({
      status: 200,
      body: JSON.stringify({ label: JSON.parse(body).id }),
    }));
    const chain = chainOf([answerWith('http', ask)]);
    const { answer } = await chain.run(new FakeCall({ request: request({ id: 'high' }) }));
    expect(answer).toMatchObject({ source: 'secondary:http', message: { id: 'high' } });
  });

  it.each([
    ['an error status', { status: 503, body: '' }, 'HTTP 503'],
    ['a body that is no JSON', { status: 200, body: '<html>' }, 'not valid JSON'],
    ['a body of another form', { status: 200, body: '{}' }, 'no label'],
  ])('%s is a failed attempt, and a failure of its circuit', async (_, given, message) => {
    const strategy = answerWith('http', await startHttp(() => given));
    const { attempts } = await chainOf([strategy]).run(new FakeCall());
    expect(attempts).toMatchObject([{ strategy: 'secondary:http', result: 'failed' }]);
    expect(String(attempts[0]?.error)).toContain(message);
    expect(strategy.circuit?.snapshot().totals.outcomes.failure).toBe(1);
  });

  it('that hangs is aborted at its time', async () => {
    const clock = new ManualClock(0);
    const strategy = answerWith('http', await startHttp(() => 'hang'), { timeoutMs: 50 });
    const told = chainOf([strategy]).run(new FakeCall({ clock }));
    clock.advance(50);
    expect((await told).attempts).toMatchObject([{ result: 'timed-out' }]);
    expect(strategy.inFlight).toBe(0);
    expect(strategy.circuit?.snapshot().totals.outcomes.failure).toBe(1);
  });

  it.each([
    ['the rest of a primary that timed out', TIMED_OUT, 100, {}, 'ignored'],
    ['a longer rest', TIMED_OUT, 125, {}, 'failure'],
    ['its own limit, of such a rest', TIMED_OUT, 100, { timeoutMs: 50 }, 'failure'],
    ['the rest of a primary that failed at once', FAILED, 100, {}, 'failure'],
    ['the whole of a short deadline', REJECTED, 100, {}, 'failure'],
    ['hardly any time', REJECTED, 24, {}, 'ignored'],
  ] as const)(
    'whose time is over is judged by what it had: %s',
    async (_, cause, leftMs, options, outcome) => {
      const clock = new ManualClock(0);
      const hang = () => new Promise<ModelInferResponse>(() => {});
      const strategy = answerWith<ModelInferRequest, ModelInferResponse>('slow', hang, options);
      const call = new FakeCall({ clock, cause, leftMs });
      const told = chainOf([strategy]).run(call);
      clock.advance(leftMs);
      call.abort('deadline');
      await told;
      expect(strategy.circuit?.snapshot().totals.outcomes).toMatchObject({ failure: 0, [outcome]: 1 });
    },
  );

  it.each([
    ['declines', (): undefined => undefined, 'declined', 'success'],
    ['throws at once', (): undefined => JSON.parse('{'), 'failed', 'failure'],
  ] as const)('a function that %s', async (_, fn, result, outcome) => {
    const strategy = answerWith<ModelInferRequest, ModelInferResponse>('f', fn);
    expect((await chainOf([strategy]).run(new FakeCall())).attempts).toMatchObject([{ result }]);
    expect(strategy.circuit?.snapshot().totals.outcomes[outcome]).toBe(1);
  });

  it('takes a classifier, also a classifier that throws', async () => {
    const strategy = answerWith(
      'f',
      (): Promise<ModelInferResponse> => Promise.reject(new Error('bad input')),
      {
        classify: () => 'caller-error',
      },
    );
    await chainOf([strategy]).run(new FakeCall());
    expect(strategy.circuit?.snapshot().totals.outcomes['caller-error']).toBe(1);
  });

  it('is refused by its open circuit in the same turn', () => {
    const strategy = answerWith('f', () => response());
    strategy.circuit?.isolate();
    const outcome = chainOf([strategy]).run(new FakeCall());
    expect(outcome).toMatchObject({ attempts: [{ result: 'failed' }] });
  });

  it.each([
    ['a name with a space', () => answerWith('a b', () => response()), 'answerWith.name'],
    ['no function', () => answerWith('a', JSON.parse('1')), 'secondary:a.fn'],
    ['an unknown option', () => answerWith('a', () => response(), JSON.parse('{"x":1}')), 'answerWith.x'],
    ['a limit of 0', () => answerWith('a', () => response(), { maxConcurrent: 0 }), 'maxConcurrent'],
  ])('refuses %s', (_, make, field) => {
    expect(make).toThrow(field);
  });
});
