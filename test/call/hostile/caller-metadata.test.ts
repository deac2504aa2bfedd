import { Channel, credentials, InterceptingCall, type Interceptor, Metadata, status } from '@grpc/grpc-js';
import {
  FallbackRegistry,
  type FallbackStrategy,
  lastGood,
  perKey,
  perMethod,
  secondaryModel,
} from 'failsoft';
import {
  GRPCInferenceServiceClient,
  type ModelInferRequest,
  type ModelInferResponse,
} from 'failsoft/protos/oip';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startInferServer } from '../../fallback/infer-server.js';
import { METHOD, request, response } from '../../fallback/support.js';
import { closedAfterEach } from '../../support/closers.js';
import { createGuard, neverTrip } from '../../support/guard.js';

const closers = closedAfterEach();

type Strategy = FallbackStrategy<ModelInferRequest, ModelInferResponse>;

/** Changes the metadata that it is given, and not a copy. */
const adding = (entries: Record<string, string>): Interceptor => {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
        next(metadata, listener);
      },
    });
};
const signing = adding({ authorization: 'of the primary' });
const passing: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));
/** The same as `signing` by a change of grpc-js's innermost call. */
const patching: Interceptor = (options, nextCall) => {
  const call = nextCall(options) as InterceptingCall;
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    metadata.set('authorization', 'of the primary');
    start(metadata, listener);
  };
  return call;
};

/** A channel whose calls change the metadata that they are given. */
const signingChannel = (port: number, entries: Record<string, string>): Channel => {
  const channel = new Channel(`127.0.0.1:${port}`, credentials.createInsecure(), {});
  const createCall: Channel['createCall'] = (...args) => {
    const call = channel.createCall(...args);
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
      start(metadata, listener);
    };
    return call;
  };
  return new Proxy(channel, {
    get: (target, name) => (name === 'createCall' ? createCall : Reflect.get(target, name).bind(target)),
  });
};

/** A guarded client whose interceptors behind the guard are these, of a server that can be switched off. */
async function guarded(
  strategies: readonly Strategy[],
  behind: readonly Interceptor[],
  keyed = false,
  channelOf?: (port: number) => Channel,
) {
  const received: unknown[] = [];
  const server = { down: false, received };
  const { port, stop } = await startInferServer((call, done) => {
    received.push(call.metadata.get('authorization'));
    if (server.down) done({ code: status.UNAVAILABLE, details: 'down' });
    else done(null, response({ id: 'of the primary' }));
  });
  const fallbacks = new FallbackRegistry();
  if (strategies.length > 0) fallbacks.register(METHOD, strategies);
  const byName = perKey((call) => (call.request as ModelInferRequest | undefined)?.modelName);
  const guard = createGuard({ circuit: neverTrip(), fallbacks, keyBy: keyed ? byName : perMethod() });
  const client = new GRPCInferenceServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    channelOf === undefined
      ? guard.clientOptions({ interceptors: [...behind] })
      : { interceptors: [guard.interceptor, ...behind], channelOverride: channelOf(port) },
  );
  closers.push(
    stop,
    () => client.close(),
    () => guard.close(),
  );
  const call = (metadata = new Metadata()) =>
    new Promise<{ id?: string | undefined; code: status }>((resolve) => {
      client.modelInfer(request(), metadata, (error, value) =>
        resolve({ id: value?.id, code: error?.code ?? status.OK }),
      );
    });
  return { guard, server, call };
}

async function startSecondary() {
  const received: unknown[] = [];
  const { client, stop } = await startInferServer((call, done) => {
    received.push(call.metadata.get('authorization'));
    done(null, response({ id: 'of the secondary' }));
  });
  closers.push(stop);
  return { received, strategy: secondaryModel(client, 'modelInfer', { name: 'small' }) };
}

function metadataWith(entries: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
}

describe('a token that an interceptor behind the guard puts into the metadata', () => {
  describe.each([
    ['of its own', { authorization: 'of the caller' }, ['of the caller']],
    ['without one', {}, []],
  ] as const)('of a caller %s', (_whose, own, wanted) => {
    it.each(['failed', 'rejected'])('does not come to the secondary of a call that %s', async (how) => {
      const { received, strategy } = await startSecondary();
      const { guard, server, call } = await guarded([strategy], [signing]);
      server.down = true;
      using _held = how === 'rejected' ? guard.circuit(METHOD).isolate() : undefined;
      expect((await call(metadataWith(own))).id).toBe('of the secondary');
      expect(received).toEqual([wanted]);
      expect(server.received).toEqual(how === 'rejected' ? [] : [['of the primary']]);
    });
  });

  it.each<[string, readonly Strategy[], boolean]>([
    ['no chain', [], false],
    ['no chain, and a key from the request', [], true],
    ['a chain', [{ name: 'default', answer: () => undefined }], false],
    [
      'a chain that does not read the call',
      [{ name: 'default', readsCall: false, answer: () => undefined }],
      false,
    ],
  ])("does not come into the caller's own object, with %s", async (_chain, strategies, keyed) => {
    for (const behind of [signing, patching]) {
      const { server, call } = await guarded(strategies, [behind], keyed);
      const metadata = metadataWith({ 'x-own': 'entry' });
      await call(metadata);
      expect(metadata.toJSON()).toEqual({ 'x-own': ['entry'] });
      expect(server.received).toEqual([['of the primary']]);
    }
  });
});

describe('a token that a channel puts into the metadata', () => {
  const channel = (port: number) => signingChannel(port, { authorization: 'of the channel' });

  it('does not come to the secondary of a call that failed', async () => {
    const { received, strategy } = await startSecondary();
    const { server, call } = await guarded([strategy], [], false, channel);
    server.down = true;
    expect((await call()).id).toBe('of the secondary');
    expect(received).toEqual([[]]);
    expect(server.received).toEqual([['of the channel']]);
  });

  it("is no part of the caller's key", async () => {
    const strategy = lastGood<ModelInferRequest, ModelInferResponse>();
    const { guard, call } = await guarded([strategy], [], false, channel);
    await call(metadataWith({ authorization: 'alice' }));
    using _held = guard.circuit(METHOD).isolate();
    expect((await call(metadataWith({ authorization: 'alice' }))).id).toBe('of the primary');
    expect((await call(metadataWith({ authorization: 'of the channel' }))).id).toBeUndefined();
  });
});

it("is copied once less where no interceptor stands behind the guard, because grpc-js's channel makes a copy", async () => {
  const clones = vi.spyOn(Metadata.prototype, 'clone');
  onTestFinished(() => clones.mockRestore());
  const counts: number[] = [];
  for (const behind of [[], [passing]]) {
    const { server, call } = await guarded([], behind);
    await call();
    clones.mockClear();
    await call();
    counts.push(clones.mock.calls.length);
    expect(server.received).toEqual([[], []]);
  }
  expect(counts[1]).toBe((counts[0] ?? Number.NaN) + 1);
});

describe('lastGood', () => {
  /** Has a good answer, and then a call that is rejected. */
  async function keptFor(entries: Record<string, string>, behind: Interceptor[], vary?: string[]) {
    const strategy = lastGood<ModelInferRequest, ModelInferResponse>(vary === undefined ? {} : { vary });
    const { guard, call } = await guarded([strategy], behind);
    await call(metadataWith(entries));
    using _held = guard.circuit(METHOD).isolate();
    const { id } = await call(metadataWith(entries));
    return { kept: strategy.stats().kept, id };
  }

  it.each<[string, Record<string, string>, Interceptor[], string[] | undefined]>([
    ['a token is added', {}, [signing], undefined],
    ['a token is replaced', { authorization: 'of the caller' }, [signing], undefined],
    ["a tenant's name is added", {}, [adding({ 'x-tenant': 'a' })], ['x-tenant']],
    ['a second interceptor adds it', {}, [adding({ 'x-other': 'b' }), signing], undefined],
  ])('keeps nothing where another caller went out than came: %s', async (_what, entries, behind, vary) => {
    expect(await keptFor(entries, behind, vary)).toEqual({ kept: 0, id: undefined });
  });

  it.each<[string, Record<string, string>, Interceptor[], string[] | undefined]>([
    ['nothing is added', { authorization: 'of the caller' }, [], undefined],
    ['the same token is set again', { authorization: 'of the primary' }, [signing], undefined],
    ['it is no part of the caller', { 'x-tenant': 'a' }, [signing], ['x-tenant']],
    ['another entry is added', {}, [adding({ 'x-trace': '1' })], undefined],
    ['callers share their answers', {}, [signing], []],
  ])('keeps an answer where the caller is the same: %s', async (_what, entries, behind, vary) => {
    expect(await keptFor(entries, behind, vary)).toEqual({ kept: 1, id: 'of the primary' });
  });

  it("does not give one caller's answer to another whose token was replaced by the same", async () => {
    const strategy = lastGood<ModelInferRequest, ModelInferResponse>();
    const { guard, call } = await guarded([strategy], [signing]);
    await call(metadataWith({ authorization: 'alice' }));
    using _held = guard.circuit(METHOD).isolate();
    for (const authorization of ['bob', 'of the primary'])
      expect((await call(metadataWith({ authorization }))).id).toBeUndefined();
  });
});
