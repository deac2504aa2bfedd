import type { ServerHttp2Stream } from 'node:http2';
import { soakService } from './service.js';

const OK = { ':status': 200, 'content-type': 'application/grpc+proto' };

/** Values of `grpc-status`. */
const STATUSES = [
  ...['abc', '1.5', '4294967296', '2147483648', '-1', '', ' ', 'NaN', 'Infinity', '1e3', '0x0e', '014'],
  ...['17', '99', '9007199254740993', '14,14', '3', '8', '13', '14'],
];
const MESSAGES = ['', 'plain', '%', '%zz', '%ED%A0%80', '%00', '"quoted", and more', 'x'.repeat(3_000)];
const DETAILS = ['', '####', 'AAAA', Buffer.alloc(200, 0xff).toString('base64')];
const LABELS = { 'failsoft-source': 'default', 'failsoft-age-ms': '9'.repeat(400) };

/** Answers one call. */
export type OddAnswer = (stream: ServerHttp2Stream) => void;

/** A good answer, framed as gRPC frames it. */
function framed(compressed = 0, extraLength = 0): Buffer {
  const bytes = soakService.unary.responseSerialize({ model_name: '', tenant: '', text: 'odd' });
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(bytes.length + extraLength, 1);
  return Buffer.concat([head, bytes]);
}

function ended(trailers: Record<string, string | string[]>): OddAnswer {
  return (stream) => stream.respond({ ...OK, ...trailers }, { endStream: true });
}

function answered(
  body: Buffer,
  trailers: Record<string, string> | undefined,
  headers: Record<string, string> = {},
): OddAnswer {
  return (stream) => {
    stream.respond({ ...OK, ...headers }, { waitForTrailers: trailers !== undefined });
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  };
}

const good = { 'grpc-status': '0' };

/** Each of these is an answer that a server may give to one call. */
export const ODD_ANSWERS: readonly OddAnswer[] = [
  ...STATUSES.map((text) => ended({ 'grpc-status': text, 'grpc-message': 'scripted' })),
  ...STATUSES.map((text) => answered(framed(), { 'grpc-status': text })),
  ...MESSAGES.map((text) => ended({ 'grpc-status': '14', 'grpc-message': text })),
  ...DETAILS.map((text) => ended({ 'grpc-status': '14', 'grpc-status-details-bin': text })),
  ended({}),
  ended({ 'grpc-status': '14', 'grpc-retry-pushback-ms': '-99999999999999999999' }),
  (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
  answered(framed(), undefined),
  answered(framed(), {}),
  answered(framed(1), good, { 'grpc-encoding': 'snappy' }),
  answered(framed(1), good, { 'grpc-encoding': '' }),
  answered(framed(1), good, { 'grpc-encoding': 'gzip' }),
  answered(framed(1), good),
  answered(framed(0xfe), good),
  answered(framed(0, 100), good),
  answered(Buffer.concat([framed(), framed()]), good),
  answered(Buffer.from('{'), good),
  answered(framed(), good, LABELS),
  ...[0, 1, 2, 3, 5, 7, 8, 11, 12, 13].map(
    (code): OddAnswer =>
      (stream) =>
        stream.close(code),
  ),
  (stream) => {
    stream.respond(OK);
    stream.write(framed());
    setImmediate(() => stream.close(2));
  },
  (stream) => {
    stream.session?.goaway(0);
    answered(framed(), good)(stream);
  },
  (stream) => stream.session?.destroy(),
  () => undefined, // never answered
];
