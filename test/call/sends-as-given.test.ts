import { Client, InterceptingCall, type Interceptor, type NextCall } from '@grpc/grpc-js';
import { expect, it, onTestFinished, vi } from 'vitest';
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
