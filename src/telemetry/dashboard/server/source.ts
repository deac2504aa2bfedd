import { type ClientRequest, get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { EventStreamReader } from './event-stream.js';

/** A stream that is silent for this long is dead, because a live stream sends heartbeats. In milliseconds. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** The functions that a source calls. */
export interface SourceListener {
  message(event: string, data: string): void;
  /** Called when the stream has ended, or could not begin; the source tries again. */
  failed(reason: string): void;
}

/** Reads the `/events` of another process, and connects again whenever the stream ends. */
export class Source {
  readonly #url: URL;
  readonly #listener: SourceListener;
  #request: ClientRequest | undefined;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #waitMs = FIRST_WAIT_MS;

  constructor(url: URL, listener: SourceListener) {
    this.#url = url;
    this.#listener = listener;
    this.#connect();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#request?.destroy();
  }

  #connect(): void {
    const get = this.#url.protocol === 'https:' ? getHttps : getHttp;
    let isOver = false;
    const fail = (reason: string) => {
      if (isOver || this.#isClosed) return;
      isOver = true;
      request.destroy();
      this.#listener.failed(reason);
      this.#timer = setTimeout(() => this.#connect(), this.#waitMs * (0.5 + Math.random() / 2));
      this.#waitMs = Math.min(this.#waitMs * 2, LONGEST_WAIT_MS);
    };
    const options = { headers: { Accept: 'text/event-stream' }, timeout: SILENCE_MS, agent: false };
    const request = get(this.#url, options, (response) => this.#read(response, fail));
    this.#request = request;
    request.on('timeout', () => fail('it is silent'));
    request.on('error', (error) => fail(wordsOf(error)));
  }

  #read(response: IncomingMessage, fail: (reason: string) => void): void {
    // set first: a response that is destroyed emits an error too
    response.on('error', (error) => fail(wordsOf(error)));
    const type = response.headers['content-type'] ?? '';
    if (response.statusCode !== 200 || !type.startsWith('text/event-stream')) {
      response.resume();
      fail(
        `it answered ${response.statusCode}${response.statusCode === 200 ? `, ${type || 'no type'}` : ''}`,
      );
      return;
    }
    const reader = new EventStreamReader((event, data) => {
      this.#listener.message(event, data);
      this.#waitMs = FIRST_WAIT_MS; // only after a valid message: others are no reason to connect again soon
    });
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      try {
        reader.push(text);
      } catch (error) {
        fail(wordsOf(error));
      }
    });
    response.on('end', () => fail('it ended the stream'));
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error ? String(error.code) : error.name);
}
