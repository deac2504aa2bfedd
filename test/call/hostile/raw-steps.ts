import { setImmediate } from 'node:timers/promises';
import { grpcMessage, type RawHeader, type RawStream } from '../../support/raw-server.js';

/** One thing that a hostile server sends. Texts are bytes, one per character (latin1), so that any of them can be sent. */
export type RawStep =
  | {
      readonly do: 'headers';
      readonly headers: readonly (readonly [string, string])[];
      readonly end?: boolean;
    }
  | { readonly do: 'data'; readonly bytes: string; readonly end?: boolean }
  | { readonly do: 'reset'; readonly code: number }
  | { readonly do: 'go-away'; readonly code: number; readonly last: number }
  /** `on`: the call's own stream, the connection (0), or a stream that nobody opened. */
  | {
      readonly do: 'frame';
      readonly type: number;
      readonly flags: number;
      readonly on: 'call' | 'connection' | 'nobody';
      readonly payload: string;
    }
  | { readonly do: 'bytes'; readonly bytes: string }
  /** Lets what the client has taken in come to its caller. */
  | { readonly do: 'pause' }
  | { readonly do: 'drop' };

/** What a server answers, to any kind of call, once the caller has sent everything. */
export interface RawAnswer {
  readonly steps: readonly RawStep[];
}

const STREAM_NOBODY_OPENED = 4_001;

/** Plays an answer. Each step waits until the client has taken in the one before, so that no two of them can race. */
export async function play({ steps }: RawAnswer, stream: RawStream): Promise<void> {
  for (const step of steps) {
    await stream.settled();
    switch (step.do) {
      case 'headers':
        stream.headers(step.headers.map(latin1Header), step.end);
        break;
      case 'data':
        stream.data(Buffer.from(step.bytes, 'latin1'), step.end);
        break;
      case 'reset':
        stream.reset(step.code);
        break;
      case 'go-away':
        stream.goAway(step.code, step.last);
        break;
      case 'frame': {
        const id = { call: stream.id, connection: 0, nobody: STREAM_NOBODY_OPENED }[step.on];
        stream.frame(step.type, step.flags, id, Buffer.from(step.payload, 'latin1'));
        break;
      }
      case 'bytes':
        stream.bytes(Buffer.from(step.bytes, 'latin1'));
        break;
      case 'pause':
        for (let turn = 0; turn < 20; turn++) await setImmediate();
        break;
      case 'drop':
        stream.destroy();
    }
  }
}

function latin1Header([name, value]: readonly [string, string]): RawHeader {
  return [name, Buffer.from(value, 'latin1')];
}

export type Headers = readonly (readonly [string, string])[];

export const OK_HEADERS: Headers = [
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
];

/** A message of the echo service, framed. */
export function message(text: string, options: { compressed?: number; length?: number } = {}): string {
  return grpcMessage(Buffer.from(JSON.stringify({ text })), options).toString('latin1');
}
