import { Metadata, status } from '@grpc/grpc-js';
import { type EchoServer, type Handlers, startEchoServer } from '../../test/support/echo-service.js';

const broken = () =>
  Object.assign(new Error('injected fault'), {
    code: status.UNAVAILABLE,
    details: 'injected fault',
    metadata: new Metadata(),
  });

/** An echo server. Now and then a call of any kind is slow, hangs, fails, or fails in the middle. */
export function startFaultyServer(
  random: () => number,
  at: { readonly host?: string; readonly port?: number } = {},
): Promise<EchoServer> {
  const faulty = (serve: () => void, fail: () => void) => {
    const draw = random();
    if (draw < 0.7) serve();
    else if (draw < 0.85) fail();
    else if (draw < 0.95) setTimeout(serve, 20 * random()).unref();
    // otherwise the call hangs
  };
  const handlers: Handlers = {
    unary: (call, callback) =>
      faulty(
        () => callback(null, { text: call.request.text }),
        () => callback(broken()),
      ),
    clientStream: (call, callback) => {
      call.on('error', () => undefined).resume();
      faulty(
        () => call.on('end', () => callback(null, { text: 'all' })),
        () => callback(broken()),
      );
    },
    serverStream: (call) => {
      call.on('error', () => undefined);
      faulty(
        () => {
          for (let index = 0; index < 5; index++) call.write({ text: `${index}` });
          call.end();
        },
        () => {
          if (random() < 0.5) call.write({ text: 'one' });
          call.emit('error', broken());
        },
      );
    },
    bidi: (call) => {
      call.on('error', () => undefined);
      faulty(
        () => {
          call.on('data', (message) => call.write(message));
          call.on('end', () => call.end());
        },
        () => call.emit('error', broken()),
      );
    },
  };
  return startEchoServer(handlers, at);
}
