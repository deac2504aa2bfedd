import { credentials, InterceptingCall, type InterceptorOptions, type ServerUnaryCall } from '@grpc/grpc-js';
import { createGuard, FallbackRegistry, secondaryModel } from 'failsoft';
import { GRPCInferenceServiceClient } from 'failsoft/protos/oip';
import { expect, it } from 'vitest';
import { closedAfterEach } from '../../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../../support/echo-service.js';
import { startInferServer } from '../infer-server.js';
import { request, response } from '../support.js';

const closers = closedAfterEach();

it("the call of a secondary carries the caller's parent, and no later deadline", async () => {
  const front = await startEchoServer();
  const model = await startInferServer((call, done) => done(null, response({ id: call.request.id })));
  const seen: InterceptorOptions[] = [];
  const small = new GRPCInferenceServiceClient(`127.0.0.1:${model.port}`, credentials.createInsecure(), {
    interceptors: [
      (options, nextCall) => {
        seen.push(options);
        return new InterceptingCall(nextCall(options));
      },
    ],
  });
  const guard = createGuard({
    fallbacks: new FallbackRegistry().register(echoService.unary, [
      secondaryModel(small, 'modelInfer', {
        name: 'small',
        request: ({ text }) => request({ id: text }),
        response: (answer) => ({ text: answer.id }),
      }),
    ]),
  });
  const inner = echoClient(front.address, { interceptors: [guard.interceptor] });
  const outer = echoClient(front.address);
  closers.push(
    () => front.close(),
    () => model.stop(),
    () => small.close(),
    () => inner.close(),
    () => outer.close(),
    () => guard.close(),
  );
  using _held = guard.circuit(echoService.unary).isolate();
  const parents: ServerUnaryCall<unknown, unknown>[] = [];
  const deadlineMs = Date.now() + 30_000;
  front.handlers.unary = async (call, callback) => {
    parents.push(call);
    const { error, value } = await callUnary(inner, 'nested', { parent: call, deadline: deadlineMs });
    callback(error ?? null, value);
  };
  expect((await callUnary(outer, 'a')).value).toEqual({ text: 'nested' });
  expect(seen.map(({ parent }) => parent)).toEqual(parents);
  expect(seen[0]?.parent).toBe(parents[0]);
  expect(seen[0]?.deadline).toBe(deadlineMs);
});
