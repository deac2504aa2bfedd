import { gzipSync } from 'node:zlib';
import { FRAME, grpcMessage } from '../../support/raw-server.js';
import { type Headers, message, OK_HEADERS, type RawAnswer, type RawStep } from './raw-steps.js';

const open = (headers: Headers = OK_HEADERS): RawStep => ({ do: 'headers', headers });
const data = (bytes: string, end = false): RawStep => ({ do: 'data', bytes, end });
const trailers = (...headers: Headers): RawStep => ({ do: 'headers', headers, end: true });
const drop: RawStep = { do: 'drop' };
const answer = (...steps: RawStep[]): RawAnswer => ({ steps });
const ended = (...headers: Headers) => answer(open(), trailers(...headers));
const endedAtOnce = (...headers: Headers) => answer(trailers(...OK_HEADERS, ...headers));
const encoded = (encoding: string, bytes: Buffer) =>
  answer(
    open([...OK_HEADERS, ['grpc-encoding', encoding]]),
    data(grpcMessage(bytes, { compressed: 1 }).toString('latin1')),
    trailers(['grpc-status', '0']),
  );

/** Values of `grpc-status`; grpc-js takes `Number()` of them. */
export const STATUSES: readonly string[] = [
  ...['abc', '1.5', '4294967296', '4294967295', '2147483648', '-1', '', ' ', '-0', 'NaN', 'Infinity', '1e3'],
  ...['0x0e', '014', '17', '99', '14 ', '9007199254740993', '14,14', '\xe9', '0', '3', '8', '13', '14'],
];

/** Values of `grpc-message`, on the wire. */
export const MESSAGES: readonly string[] = [
  ...['', 'plain', '%', '%%%', '%zz', '%E4%F6', '%ED%A0%80', '%ED%BF%BF', '%00', '%0A%0D', '%F0%9F%98%80'],
  ...['\xed\xa0\x80', '\xff\xfe', '"quoted", and more', '%2525', 'x'.repeat(3_000)],
];

const base64 = (bytes: Buffer | string) => Buffer.from(bytes).toString('base64');
/** A google.rpc.Status whose detail says `typeUrl` and these bytes. */
const statusWith = (typeUrl: string, value: Buffer) => {
  const url = Buffer.from(typeUrl);
  const any = Buffer.concat([
    ...[Buffer.of(0x0a, url.length), url],
    ...[Buffer.of(0x12, value.length), value],
  ]);
  return base64(Buffer.concat([Buffer.of(0x08, 14, 0x1a, any.length), any]));
};
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';

/** Values of `grpc-status-details-bin`. */
export const DETAILS: readonly string[] = [
  ...['', '####', 'AAAA', '=', base64('no protobuf at all'), base64(Buffer.alloc(200, 0xff))],
  base64(Buffer.of(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)), // code: -1
  base64(Buffer.of(0x12, 0x02, 0xc3, 0x28)), // a message that is no UTF-8
  base64(Buffer.of(0x1a, 0x7f)), // a detail that is cut off
  statusWith(RETRY_INFO, Buffer.of(0xff)),
  statusWith(RETRY_INFO, Buffer.of(0x0a, 0x0b, 0x08, ...Array(9).fill(0xff), 0x01)), // -1 seconds
  statusWith(RETRY_INFO, Buffer.of(0x0a, 0x0a, 0x08, ...Array(8).fill(0xff), 0x7f)), // 2^63 - 1 seconds
  statusWith(ERROR_INFO, Buffer.of(0x0a, 0x7f)),
];

/** Each of these is one answer that a server may give to one call. */
export const HOSTILE_ANSWERS: Readonly<Record<string, RawAnswer>> = {
  'an answer as it should be': answer(open(), data(message('fine')), trailers(['grpc-status', '0'])),
  ...named('status', STATUSES, (text) => ended(['grpc-status', text], ['grpc-message', 'scripted'])),
  ...named('status at once', STATUSES, (text) => endedAtOnce(['grpc-status', text])),
  ...named('status after a message', ['abc', '4294967296', '', '14'], (text) =>
    answer(open(), data(message('fine')), trailers(['grpc-status', text])),
  ),
  ...named('message', MESSAGES, (text) => ended(['grpc-status', '14'], ['grpc-message', text])),
  ...named('details', DETAILS, (text) => ended(['grpc-status', '14'], ['grpc-status-details-bin', text])),
  'no status in the trailers': ended(['x-other', 'entry']),
  'no trailers': answer(open(), data(message('fine'), true)),
  'nothing but headers': answer(trailers(...OK_HEADERS)),
  'two statuses': ended(['grpc-status', '14'], ['grpc-status', '0']),
  'an encoding that nobody knows': encoded('snappy', Buffer.from('?')),
  'an empty encoding': encoded('', Buffer.from('?')),
  'a compressed message without an encoding': answer(
    open(),
    data(message('fine', { compressed: 1 })),
    trailers(['grpc-status', '0']),
  ),
  gzip: encoded('gzip', gzipSync(JSON.stringify({ text: 'fine' }))),
  'gzip that is none': encoded('gzip', Buffer.from('no gzip')),
  'deflate that is none': encoded('deflate', Buffer.from('no deflate')),
  'a message flag that is none': answer(
    open(),
    data(message('fine', { compressed: 0xfe })),
    trailers(['grpc-status', '0']),
  ),
  'a message that does not decode': answer(
    open(),
    data(grpcMessage(Buffer.from('{')).toString('latin1')),
    trailers(['grpc-status', '0']),
  ),
  'a message that is cut off': answer(
    open(),
    data(message('fine', { length: 4_000 })),
    trailers(['grpc-status', '0']),
  ),
  'a message of 4 GiB': answer(open(), data(message('fine', { length: 0xffffffff })), drop),
  'half a message head': answer(open(), data('\0\0'), trailers(['grpc-status', '0'])),
  'two messages': answer(open(), data(message('one') + message('two')), trailers(['grpc-status', '0']), drop),
  'two messages and an error': answer(
    open(),
    data(message('one')),
    data(message('two')),
    trailers(['grpc-status', '13'], ['grpc-message', 'scripted']),
  ),
  'a message and an error': answer(open(), data(message('one')), trailers(['grpc-status', '14'])),
  'no message and OK': ended(['grpc-status', '0']),
  HTML: answer(
    open([
      [':status', '502'],
      ['content-type', 'text/html'],
    ]),
    data('<html>bad gateway</html>', true),
  ),
  ...named(
    'HTTP status',
    ['100', '204', '301', '400', '404', '429', '500', '503', '999', 'abc', ''],
    (text) => answer(trailers([':status', text], ['content-type', 'text/plain'])),
  ),
  'no HTTP status': answer(trailers(['content-type', 'application/grpc'], ['grpc-status', '14'])),
  ...named('content-type', ['', 'text/html', 'application/json', 'application/grpc-web'], (text) =>
    answer(
      open([
        [':status', '200'],
        ['content-type', text],
      ]),
      data(message('fine')),
      trailers(['grpc-status', '0']),
    ),
  ),
  'odd trailers': ended(
    ['grpc-status', '14'],
    ['grpc-retry-pushback-ms', '-99999999999999999999'],
    ['bad-bin', '####'],
    ['twice', 'a'],
    ['twice', 'b'],
    ['', 'no name'],
  ),
  'trailers that HTTP/2 forbids': ended(['grpc-status', '14'], ['connection', 'close'], ['UPPER', 'case']),
  'a label of failsoft': answer(
    open([...OK_HEADERS, ['failsoft-source', 'default'], ['failsoft-age-ms', '9'.repeat(400)]]),
    data(message('fine')),
    trailers(['grpc-status', '0']),
  ),
  'headers twice': answer(open(), open(), data(message('fine')), trailers(['grpc-status', '0'])),
  'a message after the trailers': answer(open(), trailers(['grpc-status', '14']), data(message('late'))),
  'trailers twice': answer(open(), trailers(['grpc-status', '14']), trailers(['grpc-status', '0'])),
  ...named('reset', [0, 1, 2, 3, 5, 7, 8, 11, 12, 13, 99].map(String), (code) =>
    answer({ do: 'reset', code: Number(code) }),
  ),
  ...named('reset after a message', ['0', '2', '8'], (code) =>
    answer(open(), data(message('one')), { do: 'reset', code: Number(code) }),
  ),
  'a reset after the trailers': answer(open(), trailers(['grpc-status', '14']), { do: 'reset', code: 2 }),
  'a go-away, and an answer': answer(
    { do: 'go-away', code: 0, last: 0x7fffffff },
    open(),
    data(message('fine')),
    trailers(['grpc-status', '0']),
  ),
  'a go-away that leaves the call out': answer({ do: 'go-away', code: 0, last: 0 }, drop),
  'a go-away with an error': answer({ do: 'go-away', code: 11, last: 0x7fffffff }, drop),
  'a frame that nobody knows': answer(
    { do: 'frame', type: 0xbe, flags: 0xff, on: 'call', payload: 'odd' },
    open(),
    data(message('fine')),
    trailers(['grpc-status', '0']),
  ),
  'a broken connection': answer(drop),
  'a broken connection after a message': answer(open(), data(message('one')), drop),
};

/**
 * What breaks HTTP/2 itself. Node's client then gives its connection up, and grpc-js's calls on it wait for their deadline:
 * each of these needs clients of its own, and a deadline.
 */
export const BROKEN_CONNECTIONS: Readonly<Record<string, RawAnswer>> = {
  'a message before the headers': answer(data(message('fine')), open(), drop),
  'a message of a stream that nobody opened': answer(
    open(),
    { do: 'frame', type: FRAME.DATA, flags: 0, on: 'nobody', payload: message('fine') },
    drop,
  ),
  'a push': answer(
    { do: 'frame', type: FRAME.PUSH_PROMISE, flags: 4, on: 'call', payload: '\0\0\0\x02' },
    drop,
  ),
  'a continuation of nothing': answer(
    { do: 'frame', type: FRAME.CONTINUATION, flags: 4, on: 'call', payload: '' },
    drop,
  ),
  'settings on a stream': answer(
    { do: 'frame', type: FRAME.SETTINGS, flags: 0, on: 'call', payload: '' },
    drop,
  ),
  'a window beyond all bounds': answer(
    { do: 'frame', type: FRAME.WINDOW_UPDATE, flags: 0, on: 'connection', payload: '\x7f\xff\xff\xff' },
    drop,
  ),
  'headers that do not decode': answer(
    { do: 'frame', type: FRAME.HEADERS, flags: 4, on: 'call', payload: '\xff\xff\xff\xff' },
    drop,
  ),
  'HTTP/1': answer({ do: 'bytes', bytes: 'HTTP/1.1 400 Bad Request\r\n\r\n' }, drop),
};

function named(
  what: string,
  texts: readonly string[],
  of: (text: string) => RawAnswer,
): Record<string, RawAnswer> {
  return Object.fromEntries(texts.map((text) => [`${what} ${JSON.stringify(text.slice(0, 40))}`, of(text)]));
}
