import {
  InterceptingCall,
  type InterceptingListener,
  type Interceptor,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';

/**
 * Makes a unary call again, as retry interceptors do: with a copy of the options, in which they set a deadline.
 * @param again whether to do so after this status, and this many attempts
 */
export function retrying(again: (ended: StatusObject, attempts: number) => boolean): Interceptor {
  return (options, nextCall) => {
    let message: unknown;
    let headers = new Metadata();
    let listener: Partial<InterceptingListener> = {};
    let attempts = 0;
    const attempt = () => {
      attempts++;
      const call = nextCall({ ...options });
      let answer: unknown = null;
      call.start(headers, {
        onReceiveMetadata: () => undefined,
        onReceiveMessage: (received: unknown) => {
          answer = received;
        },
        onReceiveStatus: (ended: StatusObject) => {
          if (again(ended, attempts)) return attempt();
          listener.onReceiveMessage?.(answer);
          listener.onReceiveStatus?.(ended);
        },
      });
      call.sendMessage(message);
      call.halfClose();
    };
    const none = nextCall({ ...options, deadline: 0 }); // never started: only the attempts are
    return new InterceptingCall(none, {
      start: (metadata, given) => {
        headers = metadata;
        listener = given;
      },
      sendMessage: (sent: unknown) => {
        message = sent;
      },
      halfClose: attempt,
    });
  };
}
