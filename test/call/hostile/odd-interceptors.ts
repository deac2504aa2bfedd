import { InterceptingCall, type Interceptor, status } from '@grpc/grpc-js';
import { KINDS, type Kind } from '../../support/call-script.js';

/** Throws where a test wants it to, each time in other words. */
const bug = (place: string): never => {
  throw new Error(`a bug in ${place}`);
};

/** Interceptors as they should not be. Each does its odd thing to every call of every kind. */
export const ODD: Readonly<Record<string, Interceptor>> = {
  'drops a cancel': (options, nextCall) =>
    new InterceptingCall(nextCall(options), { cancel: () => undefined }),

  'passes the status on twice': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (ended, pass) => {
            pass(ended);
            pass({ ...ended, code: status.INTERNAL, details: 'again' });
          },
        }),
    }),

  'passes the status on before the message': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        let release = () => {};
        next(metadata, {
          onReceiveMessage: (message, pass) => {
            const before = release;
            release = () => {
              before();
              pass(message);
            };
          },
          onReceiveStatus: (ended, pass) => {
            pass(ended);
            release();
          },
        });
      },
    }),

  'passes the headers on behind the status': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        let release = () => {};
        next(metadata, {
          onReceiveMetadata: (headers, pass) => {
            release = () => pass(headers);
          },
          onReceiveStatus: (ended, pass) => {
            pass(ended);
            release();
          },
        });
      },
    }),

  'passes each message on twice': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveMessage: (message, pass) => {
            pass(message);
            pass(message);
          },
        }),
    }),

  'drops the headers': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => next(metadata, { onReceiveMetadata: () => undefined }),
    }),

  'has a listener that is empty': (options, nextCall) =>
    new InterceptingCall(nextCall(options), { start: (metadata, _listener, next) => next(metadata, {}) }),

  'throws when it is made': () => bug('the factory'),

  'throws in start': (options, nextCall) =>
    new InterceptingCall(nextCall(options), { start: () => bug('start') }),

  'throws in start, behind the start': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        next(metadata, listener);
        bug('start, later');
      },
    }),

  'throws in sendMessage': (options, nextCall) =>
    new InterceptingCall(nextCall(options), { sendMessage: () => bug('sendMessage') }),

  'throws in halfClose': (options, nextCall) =>
    new InterceptingCall(nextCall(options), { halfClose: () => bug('halfClose') }),

  'throws in onReceiveMetadata': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, { onReceiveMetadata: () => bug('onReceiveMetadata') }),
    }),

  'throws in onReceiveMessage': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, { onReceiveMessage: () => bug('onReceiveMessage') }),
    }),

  'throws in onReceiveStatus': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => next(metadata, { onReceiveStatus: () => bug('onReceiveStatus') }),
    }),

  'throws in onReceiveStatus, behind the status': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (ended, pass) => {
            pass(ended);
            bug('onReceiveStatus, later');
          },
        }),
    }),

  'starts the call some turns later': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        setImmediate(() => setImmediate(() => next(metadata, listener)));
      },
    }),

  'makes and starts the call some turns later': (options, nextCall) => {
    const call = nextCall(options);
    return new InterceptingCall(call, {
      start: (metadata, listener, next) => void setTimeout(() => next(metadata, listener), 1),
      sendMessage: (message, next) => void setTimeout(() => next(message), 1),
    });
  },

  'cancels what it starts': (options, nextCall) => {
    const call = nextCall(options);
    return new InterceptingCall(call, {
      start: (metadata, listener, next) => {
        next(metadata, listener);
        call.cancelWithStatus(status.ABORTED, 'on second thoughts');
      },
    });
  },

  'never starts the call': (options, nextCall) =>
    new InterceptingCall(nextCall(options), { start: () => undefined }),

  'never passes a status on': (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => next(metadata, { onReceiveStatus: () => undefined }),
    }),
};

const STREAMS: readonly Kind[] = ['serverStream', 'bidi'];

/** Those that a call without a guard does not end with, and the kinds of calls that do not. */
export const HANGING: Readonly<Record<string, readonly Kind[]>> = {
  'passes the status on before the message': STREAMS,
  'passes the headers on behind the status': STREAMS,
  'drops the headers': KINDS,
  'throws in halfClose': ['clientStream', 'bidi'],
  'throws in onReceiveMetadata': KINDS,
  'throws in onReceiveMessage': KINDS,
  'throws in onReceiveStatus': KINDS,
  'never starts the call': KINDS,
  'never passes a status on': KINDS,
};

/** Those out of which a call's method throws when the call is on its way: its caller has nothing that could cancel it. */
export const LEAVING: readonly string[] = [
  'throws in start, behind the start',
  'throws in sendMessage',
  'throws in halfClose',
];
