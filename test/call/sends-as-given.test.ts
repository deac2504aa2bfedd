import { Client, InterceptingCall, type Interceptor, Metadata, type NextCall } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { markSendsAsGiven } from '../../src/call/sends-as-given.js';
import { callUnary, echoClient, startEchoServer } from '../support/echo-service.js';

/** Loaded again, because the module asks grpc-js only once. */
async function loadAgain(): Promise<typeof import('../../src/call/sends-as-given.js')> {
  vi.resetModules();
  return import('../../src/call/sends-as-given.js');
}

/** Of each interceptor of a client, whether its call is certainly sent as it is given. */
async function certainties(
  { sendsAsGiven }: typeof import('../../src/call/sends-as-given.js'),
  count: number,
) {
  const server = await startEchoServer();
  const certain: boolean[] = [];
  const asking = (at: number): Interceptor => {
    return (options, nextCall) => {
      const call = nextCall(options);
      certain[at] = sendsAsGiven(nextCall, call);
      return new InterceptingCall(call);
    };
  };
  const client = echoClient(server.address, {
    interceptors: Array.from({ length: count }, (_, at) => asking(at)),
  });
  onTestFinished(async () => {
    client.close();
    await server.close();
  });
  expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
  return certain;
}

it('is certain of the innermost interceptor alone', async () => {
  const loaded = await loadAgain();
  expect(await certainties(loaded, 1)).toEqual([true]);
  expect(await certainties(loaded, 3)).toEqual([false, false, true]);
});

it('asks grpc-js once', async () => {
  const loaded = await loadAgain();
  const asked = vi.spyOn(Client.prototype, 'makeUnaryRequest');
  onTestFinished(() => asked.mockRestore());
  await certainties(loaded, 1);
  await certainties(loaded, 2);
  expect(asked.mock.calls.filter(([path]) => path === '/failsoft/Innermost')).toHaveLength(1);
});

it('is certain of nothing, and throws nothing, where grpc-js does not show its calls', async () => {
  const loaded = await loadAgain();
  const real = Client.prototype.makeUnaryRequest;
  const broken = vi.spyOn(Client.prototype, 'makeUnaryRequest').mockImplementation(function (
    this: Client,
    ...args
  ) {
    if (args[0] === '/failsoft/Innermost') throw new Error('a changed grpc-js');
    return Reflect.apply(real, this, args);
  } as typeof real);
  onTestFinished(() => broken.mockRestore());
  expect(await certainties(loaded, 1)).toEqual([false]);
  expect(loaded.startsUnseen(Object.create(null))).toBe(false);
});

it('is certain of nothing where the functions of all interceptors have the same source', async () => {
  const loaded = await loadAgain();
  const real = Function.prototype.toString;
  Function.prototype.toString = function () {
    void this;
    return 'function () { [native code] }';
  };
  onTestFinished(() => {
    Function.prototype.toString = real;
  });
  expect(await certainties(loaded, 1)).toEqual([false]);
});

it('is certain of a function of ours', async () => {
  const loaded = await loadAgain();
  const call: ReturnType<NextCall> = Object.create(null);
  expect(loaded.sendsAsGiven(() => call, call)).toBe(false);
  expect(
    loaded.sendsAsGiven(
      markSendsAsGiven(() => call),
      call,
    ),
  ).toBe(true);
});

describe("a call whose metadata no interceptor can see before grpc-js's own copy", () => {
  /** What the module says of the calls that a client's interceptors return, from the outermost on. */
  async function unseen(interceptors: readonly Interceptor[], stream = false) {
    const { startsUnseen } = await loadAgain();
    const server = await startEchoServer();
    const seen: boolean[] = [];
    const asking: Interceptor = (options, nextCall) => {
      const call = nextCall(options);
      seen.push(startsUnseen(call));
      return new InterceptingCall(call);
    };
    const client = echoClient(server.address, { interceptors: [asking, ...interceptors] });
    onTestFinished(async () => {
      client.close();
      await server.close();
    });
    if (stream) for await (const _ of client.serverStream({ text: 'a' }, new Metadata(), {}));
    else expect((await callUnary(client, 'a')).value?.text).toBe('echo a');
    return seen;
  }

  it('is the innermost call of a unary method', async () => {
    expect(await unseen([])).toEqual([true]);
    expect(await unseen([(options, nextCall) => nextCall(options) as InterceptingCall])).toEqual([true]);
  });

  it.each<[string, Interceptor]>([
    ['is an InterceptingCall', (options, nextCall) => new InterceptingCall(nextCall(options))],
    [
      'changes the innermost call',
      (options, nextCall) => {
        const call = nextCall(options) as InterceptingCall;
        const start = call.start.bind(call);
        call.start = (metadata, listener) => start(metadata, listener);
        return call;
      },
    ],
    [
      'is a proxy of the innermost call',
      (options, nextCall) => {
        const call = nextCall(options) as InterceptingCall;
        const start: InterceptingCall['start'] = (metadata, listener) => call.start(metadata, listener);
        return new Proxy(call, {
          get: (target, name) => (name === 'start' ? start : Reflect.get(target, name)),
        });
      },
    ],
  ])('is not the call of an interceptor that %s', async (_what, interceptor) => {
    expect(await unseen([interceptor])).toEqual([false]);
  });

  it('is not certainly that of a response stream', async () => {
    expect(await unseen([], true)).toEqual([false]);
  });
});
