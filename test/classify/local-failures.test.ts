import { type CallOptions, type ClientOptions, credentials, Metadata, status } from '@grpc/grpc-js';
import { defaultPrediction, FallbackRegistry, presets } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { Classifier } from '../../src/classify/classifier.js';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../support/echo-service.js';
import { createGuard, tripAfter } from '../support/guard.js';

const closers = closedAfterEach();

async function setUp(clientOptions: ClientOptions = {}) {
  const server = await startEchoServer();
  const fallbacks = new FallbackRegistry().register(echoService.unary, [
    defaultPrediction({ text: 'degraded' }),
  ]);
  const guard = createGuard({ circuit: tripAfter(2), fallbacks });
  const client = echoClient(server.address, { interceptors: [guard.interceptor], ...clientOptions });
  closers.push(
    () => client.close(),
    () => server.close(),
  );
  return { server, guard, client };
}

type Generated = (callback: (error: Error | null, metadata?: Metadata) => void) => void;

const withCredentials = (generate: Generated): CallOptions => ({
  credentials: credentials.createFromMetadataGenerator((_options, callback) => generate(callback)),
});

const failing = (code?: status): CallOptions =>
  withCredentials((callback) => {
    const error = new Error('the token has expired');
    callback(code === undefined ? error : Object.assign(error, { code }));
  });

const NOT_SERIALIZABLE = 1n as unknown as string;

describe('a call that never left the process', () => {
  it.each<[string, ClientOptions, string, CallOptions, status, RegExp]>([
    [
      'because its request cannot be serialized',
      {},
      NOT_SERIALIZABLE,
      {},
      status.INTERNAL,
      /^Request message serialization failure: .*BigInt/,
    ],
    [
      'because its request is over the send limit',
      { 'grpc.max_send_message_length': 10 },
      'x'.repeat(100),
      {},
      status.RESOURCE_EXHAUSTED,
      /^Attempted to send message with a size larger than 10/,
    ],
    [
      'because its credentials fail',
      {},
      'a',
      failing(),
      status.UNKNOWN,
      /^Getting metadata from plugin failed with error: the token has expired/,
    ],
    [
      'because its credentials fail with a code of their own',
      {},
      'a',
      failing(status.UNAVAILABLE),
      status.UNAVAILABLE,
      /^Getting metadata from plugin failed with error: /,
    ],
    [
      'because its credentials fail with a code that only servers may use',
      {},
      'a',
      failing(status.NOT_FOUND),
      status.INTERNAL,
      /^Invalid status from control plane: 5 NOT_FOUND Getting metadata from plugin failed with error: /,
    ],
  ])(
    '%s is ignored, and no fallback answers it',
    async (_why, clientOptions, text, options, code, details) => {
      const { guard, client, server } = await setUp(clientOptions);
      for (let call = 0; call < 5; call++) {
        const { error, value } = await callUnary(client, text, options);
        expect(value).toBeUndefined();
        expect(error?.code).toBe(code);
        expect(error?.details).toMatch(details);
      }
      expect(server.calls.count).toBe(0);
      const { state, totals } = guard.circuit(echoService.unary).snapshot();
      expect(state).toBe('closed');
      expect(totals.outcomes).toMatchObject({ ignored: 5, failure: 0, overload: 0, 'caller-error': 0 });
    },
  );

  it('because two places set its authorization is ignored', async () => {
    const { guard, client } = await setUp();
    const twice = withCredentials((callback) => {
      const metadata = new Metadata();
      metadata.add('authorization', 'one');
      metadata.add('authorization', 'two');
      callback(null, metadata);
    });
    const { error } = await callUnary(client, 'a', twice);
    expect(error?.details).toMatch(/^"authorization" metadata cannot have multiple values/);
    expect(guard.circuit(echoService.unary).snapshot().totals.outcomes.ignored).toBe(1);
  });

  it('is a failure of the server that passes such a text on', async () => {
    const { guard, client, server } = await setUp();
    server.handlers.unary = (_call, callback) =>
      callback({ code: status.INTERNAL, details: 'Request message serialization failure: theirs' });
    expect((await callUnary(client, 'a')).value?.text).toBe('degraded');
    expect(guard.circuit(echoService.unary).snapshot().totals.outcomes.failure).toBe(1);
  });

  it.each(Object.entries(presets))(
    'is ignored with the preset %s, whatever words its text has',
    (_name, preset) => {
      const classifier = new Classifier(preset, 'classify', () => {});
      const words =
        'queue full, has no worker, timeout expired, BadRequestException, mlserver.errors.ModelNotFound, is not ready';
      for (const code of [status.UNAVAILABLE, status.INTERNAL, status.UNKNOWN, status.RESOURCE_EXHAUSTED]) {
        const details = `Getting metadata from plugin failed with error: ${words}`;
        expect(classifier.classify(code, details, new Metadata(), 1)).toBe('ignored');
      }
      const details = `Request message serialization failure: ${words}`;
      expect(classifier.classify(status.INTERNAL, details, new Metadata(), 1)).toBe('ignored');
    },
  );

  it('has the outcome of a rule of its own classifier, which goes first', () => {
    const details = 'Getting metadata from plugin failed with error: expired';
    const rules = [{ code: status.UNKNOWN, details: /expired/, outcome: 'failure' }] as const;
    const classifier = new Classifier({ rules }, 'classify', () => {});
    expect(classifier.classify(status.UNKNOWN, details, new Metadata(), 1)).toBe('failure');
  });
});
