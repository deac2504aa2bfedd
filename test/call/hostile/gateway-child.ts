// Run by other-guards.test.ts as a process of its own: a gateway that uses failsoft towards its own backend, and passes on
// what its caller's `wanted` metadata say: the backend's answer, its own guard's rejection, or its own default.
import { createGuard, defaultPrediction, FallbackRegistry } from '../../../src/index.js';
import {
  callUnary,
  echoClient,
  echoService,
  type Message,
  startEchoServer,
} from '../../support/echo-service.js';

const backend = await startEchoServer();
const guard = createGuard({
  fallbacks: new FallbackRegistry().register(echoService.unary, [
    defaultPrediction<Message, Message>({ text: 'their default' }),
  ]),
});
guard.circuit(echoService.unary).isolate();
const inner = echoClient(backend.address, { interceptors: [guard.interceptor] });
const gateway = await startEchoServer({
  unary: async (call, callback) => {
    const [wanted] = call.metadata.get('wanted');
    const failsoft = wanted === 'answer' ? { bypass: true } : { fallback: wanted === 'default' };
    const { error, value, metadata } = await callUnary(inner, call.request.text, { failsoft });
    call.sendMetadata(metadata);
    callback(error ?? null, value);
  },
});
console.log(gateway.address);
