import { type sendUnaryData, status } from '@grpc/grpc-js';
import type { EchoServer, Message } from '../../support/echo-service.js';

/** The calls that hang at a server. */
export interface Hanging {
  readonly count: number;
  /** Ends them, as at their deadline: how long they hang does not depend on the machine. */
  endTime(): void;
}

/** Has a server take unary calls and answer none, from now on. */
export function hang({ handlers }: EchoServer): Hanging {
  const held: sendUnaryData<Message>[] = [];
  handlers.unary = (_call, callback) => held.push(callback);
  return {
    get count() {
      return held.length;
    },
    endTime: () => {
      for (const callback of held.splice(0)) callback({ code: status.DEADLINE_EXCEEDED });
    },
  };
}
