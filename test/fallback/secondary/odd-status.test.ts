import {
  type ClientOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  StatusBuilder,
  status,
} from '@grpc/grpc-js';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { ManualClock } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { describeAttempts } from '../../../src/fallback/chain/attempts.js';
import { secondaryModel } from '../../../src/fallback/secondary/secondary-model.js';
import { closedAfterEach } from '../../support/closers.js';
import { startInferServer } from '../infer-server.js';
import { chainOf, FakeCall, metadata, response } from '../support.js';

const closers = closedAfterEach();

function clientOf(port: number, options: ClientOptions): GRPCInferenceServiceClient {
  const client = new GRPCInferenceServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  closers.push(() => client.close());
  return client;
}

/** An interceptor that gives this for the end of the call, as those of other people do, whatever its type says. */
function ending(received: object): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (sent, _listener, next) =>
        next(sent, { onReceiveStatus: (_status, pass) => Reflect.apply(pass, undefined, [received]) }),
    });
}

describe("a secondary's client that ends a call with an odd status", () => {
  it.each<[string, object, status]>([
    ['metadata that are {}', { code: 14, details: 'odd', metadata: {} }, status.UNAVAILABLE],
    ['metadata that are null', { code: 14, details: 'odd', metadata: null }, status.UNAVAILABLE],
    ['none at all', { code: 14, details: 'odd' }, status.UNAVAILABLE],
    [
      "grpc-js's own builder",
      new StatusBuilder().withCode(status.UNAVAILABLE).withDetails('odd').build(),
      status.UNAVAILABLE,
    ],
    ['a code that is none', { code: 4294967296, details: 'odd', metadata: new Metadata() }, status.UNKNOWN],
    ['a code that is missing', { details: 'odd', metadata: new Metadata() }, status.UNKNOWN],
    ['details that are no text', { code: 14, details: undefined, metadata: null }, status.UNAVAILABLE],
  ])('%s', async (_, received, code) => {
    const { port, stop } = await startInferServer((_call, done) =>
      done({ code: status.INTERNAL, details: 'of the server' }),
    );
    closers.push(stop);
    const small = secondaryModel(clientOf(port, { interceptors: [ending(received)] }), 'modelInfer', {
      name: 'small',
    });
    const { answer, attempts } = await chainOf([small]).run(new FakeCall());
    expect(answer).toBeUndefined();
    expect(attempts).toMatchObject([{ strategy: 'secondary:small', result: 'failed', error: { code } }]);
    const [attempt] = attempts;
    // What a strategy after it may rely on.
    expect(attempt?.error).toMatchObject({ details: expect.any(String), metadata: expect.any(Metadata) });
    expect(attempt?.error).toBeInstanceOf(Error);
    expect(describeAttempts(attempts)).toContain(`secondary:small failed (${status[code]}: `);
    expect(small.inFlight).toBe(0);
    expect(small.circuit?.snapshot().totals.outcomes.failure).toBe(1);
  });
});

describe('the time that a secondary took', () => {
  it('is measured by its clock, whatever the wall clock does', async () => {
    const clock = new ManualClock(1_000);
    const { client, stop } = await startInferServer((_call, done) => {
      clock.advance(300);
      clock.stepEpoch(-3_600_000);
      done({ code: status.UNAVAILABLE, details: 'down' });
    });
    closers.push(stop);
    const seen: number[] = [];
    const small = secondaryModel(client, 'modelInfer', {
      name: 'small',
      clock,
      classify: {
        rules: [
          {
            code: status.UNAVAILABLE,
            outcome: 'overload',
            when: ({ durationMs }) => {
              seen.push(durationMs);
              return true;
            },
          },
        ],
      },
    });
    await chainOf([small]).run(new FakeCall());
    expect(seen).toEqual([300]);
  });
});

describe('an answer of a secondary that is degraded itself', () => {
  const gateway = async (headers: Record<string, string>) => {
    const { client, stop } = await startInferServer((call, done) => {
      call.sendMetadata(metadata(headers));
      done(null, response({ id: 'of the gateway' }));
    });
    closers.push(stop);
    const chain = chainOf([secondaryModel(client, 'modelInfer', { name: 'small' })]);
    return (await chain.run(new FakeCall())).answer;
  };

  it('is labelled so, with its age', async () => {
    const headers = {
      'failsoft-source': 'last-good',
      'failsoft-cause': 'CIRCUIT_OPEN',
      'failsoft-age-ms': '5000',
    };
    expect(await gateway(headers)).toMatchObject({
      message: { id: 'of the gateway' },
      source: 'secondary:small/last-good',
      ageMs: 5_000,
    });
  });

  it('has a label of few characters, whatever the gateway sends', async () => {
    const answer = await gateway({ 'failsoft-source': `a b<c>${'x'.repeat(1_000)}` });
    expect(answer?.source).toMatch(/^secondary:small\/a\?b\?c\?x+$/);
    expect(answer?.source.length).toBe('secondary:small/'.length + 64);
    expect(answer).not.toHaveProperty('ageMs');
  });

  it.each([{}, { 'failsoft-source': 'primary' }, { 'failsoft-age-ms': '7' }])(
    'is none with the headers %s',
    async (headers) => {
      const answer = await gateway(headers);
      expect(answer?.source).toBe('secondary:small');
      expect(answer).not.toHaveProperty('ageMs');
    },
  );
});
