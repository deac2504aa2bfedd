import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { type Circuit, createGuard, type Guard, type GuardOptions } from 'failsoft';
import type { DeltaMessage, SnapshotMessage } from 'failsoft/dashboard';
import { type DashboardServer, type ServeOptions, serveDashboard } from 'failsoft/dashboard';
import { onTestFinished } from 'vitest';
import { EventStreamReader } from '../../../src/telemetry/dashboard/server/event-stream.js';

export const METHOD = '/pkg.Service/Predict';
/** A name that would be markup, another text, or another direction, if it were not only text. */
export const HOSTILE = [
  '<script>alert(1)</script>',
  '"\'`onerror=x',
  'two\nlines',
  'a\u202eb',
  'x'.repeat(10_000),
];

/** A guard whose page is served at a free port, both until the test ends. */
export async function servedGuard(
  options: ServeOptions = {},
  guardOptions: GuardOptions = {},
): Promise<{ guard: Guard; server: DashboardServer }> {
  const guard = createGuard(guardOptions);
  const server = await serveDashboard(guard, { intervalMs: 50, ...options });
  onTestFinished(async () => {
    await server.close();
    await guard.close();
  });
  return { guard, server };
}

/** Settles calls of a circuit. */
export function call(circuit: Circuit, outcome: 'success' | 'failure', times = 1, durationMs = 5): void {
  for (let n = 0; n < times; n++) {
    const permit = circuit.acquire();
    if (permit.admitted) permit.settle(outcome, durationMs);
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** A request whose path and headers are sent as they are, which `fetch` would not do. */
export function ask(
  server: { readonly port: number },
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string | string[]> } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path, method, headers, agent: false });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on('error', reject);
    });
    sent.end();
  });
}

export type Message =
  | { readonly event: 'snapshot'; readonly data: SnapshotMessage }
  | { readonly event: 'delta'; readonly data: DeltaMessage }
  | { readonly event: 'heartbeat'; readonly data: { readonly atMs: number } };

/** A reader of `/events`, until the test ends. */
export class EventsReader {
  readonly messages: Message[] = [];
  headers: IncomingMessage['headers'] = {};
  status = 0;
  isOver = false;
  readonly #request: ClientRequest;
  #wake: (() => void) | undefined;

  constructor(server: { readonly port: number }, path = '/events') {
    this.#request = request({ host: '127.0.0.1', port: server.port, path, agent: false }, (response) => {
      this.headers = response.headers;
      this.status = response.statusCode ?? 0;
      const reader = new EventStreamReader((event, data) => {
        this.messages.push({ event, data: JSON.parse(data) } as Message);
        this.#wake?.();
      });
      response.setEncoding('utf8').on('data', (text: string) => reader.push(text));
      response.on('error', () => undefined);
      response.on('close', () => {
        this.isOver = true;
        this.#wake?.();
      });
    });
    this.#request.on('error', () => {
      this.isOver = true;
      this.#wake?.();
    });
    this.#request.end();
    onTestFinished(() => void this.#request.destroy());
  }

  /** Resolves with the first message that `is` accepts. @throws when the stream ends before */
  async until(is: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.messages.find(is);
      if (found !== undefined) return found;
      if (this.isOver) throw new Error(`the stream ended after ${this.messages.length} messages`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async snapshot(): Promise<SnapshotMessage> {
    const { data } = await this.until(({ event }) => event === 'snapshot');
    return data as SnapshotMessage;
  }

  close(): void {
    this.#request.destroy();
  }
}

export function isDelta(message: Message): message is Message & { event: 'delta' } {
  return message.event === 'delta';
}
