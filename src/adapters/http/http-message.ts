import type { Method } from '../../fallback/strategy.js';

/** A request as keys and fallbacks see it. */
export interface HttpRequest<Body = unknown> {
  /** The HTTP method, in capitals. */
  readonly method: string;
  /** The whole URL. */
  readonly url: string;
  /** JSON as a value, text as a string, other bytes as a Uint8Array; undefined without a body. */
  readonly body: Body;
}

/** An answer of a fallback, or a good answer of the server. */
export interface HttpAnswer<Body = unknown> {
  /** The HTTP status. @default 200 */
  readonly status?: number;
  /** The headers. @default a content type that fits the body */
  readonly headers?: Readonly<Record<string, string>>;
  /** The body: a string and bytes are sent as they are, any other value as JSON. @default none */
  readonly body?: Body;
}

type Kind = 'none' | 'json' | 'text' | 'bytes';

/**
 * The method of a route, for `FallbackRegistry.register()`, rules and `guard.circuit()`.
 * @param name the name that `guardedFetch()` and the undici interceptor give the requests of the route: the HTTP method, a space, the
 * origin, and the text of the template in `routes`: `POST https://models.example/v1/models/:name` where `routes` has
 * `/v1/models/:name`. A chain under a misspelt name is never asked, and no error reports that
 */
export function httpRoute<Req = unknown, Res = unknown>(
  name: string,
): Method<HttpRequest<Req>, HttpAnswer<Res>> {
  return {
    path: name,
    requestStream: false,
    responseStream: false,
    requestSerialize: ({ method, url, body }) => encode({ method, url }, body),
    requestDeserialize: (bytes) => decode(bytes),
    responseSerialize: ({ status, headers, body }) => encode({ status, headers }, body),
    responseDeserialize: (bytes) => decode(bytes),
  };
}

/** Encodes a message as a line of JSON and the body's bytes. */
function encode(head: object, body: unknown): Buffer {
  if (body === UNKNOWN_BODY) throw new TypeError('the body of this request is not known');
  const [kind, bytes] = bytesOf(body);
  return Buffer.concat([Buffer.from(`${JSON.stringify({ ...head, kind })}\n`), bytes]);
}

function decode<T>(bytes: Buffer): T {
  const end = bytes.indexOf(10);
  const { kind, ...head }: { kind: Kind } = JSON.parse(bytes.toString('utf8', 0, end));
  const message = { ...head, body: decodedBody(kind, bytes.subarray(end + 1)) };
  return message as T; // the registered route types its bodies
}

function bytesOf(body: unknown): [Kind, Uint8Array] {
  if (body === undefined) return ['none', new Uint8Array()];
  if (typeof body === 'string') return ['text', Buffer.from(body)];
  if (body instanceof Uint8Array) return ['bytes', body];
  return ['json', Buffer.from(JSON.stringify(body))];
}

function decodedBody(kind: Kind, bytes: Buffer): unknown {
  if (kind === 'none') return undefined;
  if (kind === 'bytes') return new Uint8Array(bytes); // a copy
  const text = bytes.toString('utf8');
  return kind === 'text' ? text : JSON.parse(text);
}

/** The body of a request that is a stream, which can be read only once. */
export const UNKNOWN_BODY: unique symbol = Symbol('failsoft: a body that is not known');

/** A request whose body is parsed when it is first read. */
export class LazyRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly #raw: string | Uint8Array | typeof UNKNOWN_BODY | undefined;
  readonly #contentType: string;
  #body: { readonly value: unknown } | undefined;

  constructor(
    method: string,
    url: string,
    raw: string | Uint8Array | typeof UNKNOWN_BODY | undefined,
    contentType: string,
  ) {
    this.method = method;
    this.url = url;
    this.#raw = raw;
    this.#contentType = contentType;
  }

  get body(): unknown {
    this.#body ??= {
      value: typeof this.#raw === 'symbol' ? this.#raw : parseBody(this.#raw, this.#contentType),
    };
    return this.#body.value;
  }
}

/** A body by its content type. JSON that does not parse is text. */
export function parseBody(raw: string | Uint8Array | undefined, contentType: string): unknown {
  if (raw === undefined) return undefined;
  const isJson = /\bjson\b/i.test(contentType) || (contentType === '' && typeof raw === 'string');
  if (!isJson && !/^text\//i.test(contentType)) return raw;
  const text = typeof raw === 'string' ? raw : Buffer.from(raw).toString('utf8');
  if (!isJson) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Reads a response to its end and makes it an answer for `answerWith()`.
 * @throws Error with a `status`, as a rejection, for a response that is not ok (200 to 299), so that the next strategy is
 * asked; errors of the body
 */
export async function httpAnswer(response: Response): Promise<HttpAnswer> {
  if (!response.ok) {
    await response.body?.cancel();
    throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
  }
  const contentType = response.headers.get('content-type') ?? '';
  const raw = new Uint8Array(await response.arrayBuffer());
  return answerOf(response.status, contentType, raw);
}

export function answerOf(status: number, contentType: string, raw: Uint8Array): HttpAnswer {
  const headers: Record<string, string> = contentType === '' ? {} : { 'content-type': contentType };
  return { status, headers, body: raw.length === 0 ? undefined : parseBody(raw, contentType) };
}

/** The status, headers and body of an answer, as they are sent. */
export function partsOf(answer: HttpAnswer): {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array | undefined;
} {
  const { status = 200, headers = {}, body } = answer;
  const [kind, bytes] = bytesOf(body);
  const usual = {
    none: undefined,
    json: 'application/json',
    text: 'text/plain; charset=utf-8',
    bytes: 'application/octet-stream',
  }[kind];
  const type = usual === undefined ? {} : { 'content-type': usual };
  const given = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return { status, headers: { ...type, ...given }, body: kind === 'none' ? undefined : bytes };
}
