import { createRequire } from 'node:module';
import { Metadata, StatusBuilder, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMetadata, normalStatus, withCodeOfGrpc } from '../../src/status/normal-status.js';

/** grpc-js a second time, as two versions of it in one dependency tree are. */
function otherMetadata(): typeof Metadata {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@grpc/grpc-js/build/src/metadata.js');
  const first = require.cache[path];
  delete require.cache[path];
  try {
    return require(path).Metadata;
  } finally {
    if (first !== undefined) require.cache[path] = first;
  }
}

const whole = () => ({ code: status.UNAVAILABLE, details: 'gone', metadata: new Metadata() });

describe('a normal status', () => {
  test('is returned unchanged', () => {
    const received = whole();
    expect(normalStatus(received)).toBe(received);
  });

  test('has any code from 0 to 16', () => {
    for (let code = 0; code <= 16; code++) expect(normalStatus({ ...whole(), code }).code).toBe(code);
  });

  test('may have the Metadata of another copy of grpc-js', () => {
    const Other = otherMetadata();
    expect(Other).not.toBe(Metadata);
    const metadata = new Other();
    metadata.set('a', 'b');
    const received = { ...whole(), metadata };
    expect(normalStatus(received)).toBe(received);
    expect(isMetadata(metadata)).toBe(true);
  });
});

describe('the code', () => {
  test.each([undefined, null, Number.NaN, 1.5, -1, 17, 4294967296, Number.POSITIVE_INFINITY, '14', 14n, {}])(
    'of %s becomes UNKNOWN',
    (code) => {
      const received = { ...whole(), code };
      expect(normalStatus(received)).toEqual({ ...received, code: status.UNKNOWN });
    },
  );
});

describe('the details', () => {
  test.each([
    [undefined, ''],
    [null, ''],
    [7, '7'],
    ['half \ud83d a pair', 'half \ufffd a pair'],
    ['a whole \u{1f600}', 'a whole \u{1f600}'],
    [new Error('why'), 'Error: why'],
  ])('%s become %s', (details, text) => {
    expect(normalStatus({ ...whole(), details }).details).toBe(text);
  });

  test('stay whole, however long', () => {
    const details = 'x'.repeat(1_000_000);
    expect(normalStatus({ ...whole(), details }).details).toBe(details);
  });

  test('can be sent on by a server of grpc-js, which encodes them as a URI', () => {
    const { details } = normalStatus({ ...whole(), details: `cut\ud83d` });
    expect(() => encodeURI(details)).not.toThrow();
  });
});

describe('the metadata', () => {
  test.each([undefined, null, {}, [], 'text', 7, new Map(), { get: () => [] }, { get: 1, set: 1 }])(
    'of %s become an empty Metadata',
    (metadata) => {
      const { metadata: normal, ...rest } = normalStatus({ ...whole(), metadata });
      expect(normal).toBeInstanceOf(Metadata);
      expect(normal.getMap()).toEqual({});
      expect(rest).toEqual({ code: status.UNAVAILABLE, details: 'gone' });
    },
  );

  const methods = ['get', 'set', 'add', 'remove', 'clone', 'merge', 'getMap', 'toHttp2Headers'];
  const fail = (): never => {
    throw new Error('cannot be read');
  };
  const withAll = (method: unknown) => Object.fromEntries(methods.map((name) => [name, method]));

  test.each<[string, object]>([
    ['whose methods throw', withAll(fail)],
    ['whose methods give nothing', withAll(() => undefined)],
    ['whose map cannot be read', { ...withAll(() => []), getMap: fail }],
    ['whose properties throw', Object.defineProperty(withAll(fail), 'get', { get: fail })],
    ['that is a Proxy that throws', new Proxy({}, { get: fail, getPrototypeOf: fail })],
  ])('%s become an empty Metadata, and the code stays', (_which, metadata) => {
    const normal = normalStatus({ ...whole(), metadata });
    expect(normal.metadata).toBeInstanceOf(Metadata);
    expect(normal).toMatchObject({ code: status.UNAVAILABLE, details: 'gone' });
  });

  test("may be missing, as from grpc-js's own StatusBuilder", () => {
    const built = new StatusBuilder().withCode(status.UNAVAILABLE).withDetails('gone').build();
    expect(normalStatus(built).metadata).toBeInstanceOf(Metadata);
    expect(normalStatus(built)).toMatchObject({ code: status.UNAVAILABLE, details: 'gone' });
  });
});

test('other fields of a status stay', () => {
  expect(
    normalStatus({ code: 99, details: '', metadata: new Metadata(), progress: 'PROCESSED' }),
  ).toMatchObject({
    code: status.UNKNOWN,
    progress: 'PROCESSED',
  });
});

test('an error of a client is a status, too, and stays an error', () => {
  const error = Object.assign(new Error('14 UNAVAILABLE: gone'), whole());
  expect(normalStatus(error)).toBe(error);
});

test('a value without a status becomes UNKNOWN', () => {
  const throwing = {
    get code(): number {
      throw new Error('no');
    },
  };
  const textless = { ...whole(), details: Object.create(null) };
  for (const received of [undefined, null, 14, 'UNAVAILABLE', throwing, textless])
    expect(normalStatus(received)).toEqual({ code: status.UNKNOWN, details: '', metadata: new Metadata() });
});

test('any value becomes a status, and a second pass changes nothing', () => {
  const anyStatus = fc.record(
    {
      code: fc.anything(),
      details: fc.oneof(fc.anything(), fc.string({ unit: 'binary' })),
      metadata: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(anyStatus, fc.anything()), (received) => {
      const normal = normalStatus(received);
      expect(Number.isInteger(normal.code) && normal.code >= 0 && normal.code <= 16).toBe(true);
      expect(normal.details.isWellFormed()).toBe(true);
      expect(normal.metadata).toBeInstanceOf(Metadata);
      expect(normalStatus(normal)).toBe(normal);
    }),
  );
});

describe('the status that a caller gets', () => {
  test('is the same object if its code is of gRPC, whatever else it has', () => {
    for (const received of [whole(), { code: 14 }, { code: 0, details: 7, metadata: {} }])
      expect(withCodeOfGrpc(received)).toBe(received);
  });

  test.each([
    [undefined, 'gone (the status has no code)'],
    [99, 'gone (the status code was 99)'],
    [-1, 'gone (the status code was -1)'],
    [Number.NaN, 'gone (the status code was NaN)'],
    ['14', 'gone (the status code was 14)'],
    ['\ud83d', 'gone (the status code was \ufffd)'],
    ['x'.repeat(1e6), `gone (the status code was ${'x'.repeat(39)}…)`],
  ])('has UNKNOWN for a code of %j, and all else unchanged', (code, details) => {
    const metadata = {};
    const received = { code, details: 'gone', metadata, more: 1 };
    const given = withCodeOfGrpc(received);
    expect(given).toEqual({ code: status.UNKNOWN, details, metadata: {}, more: 1 });
    expect(given.metadata).toBe(metadata);
    expect(received.code).toBe(code);
  });

  test('names the code if there are no details', () => {
    expect(withCodeOfGrpc({ code: 99, details: '' }).details).toBe('the status code was 99');
    expect(withCodeOfGrpc({}).details).toBe('the status has no code');
  });

  test.each([
    undefined,
    null,
    7,
    {
      get code() {
        throw new Error('no');
      },
    },
    {
      code: {
        toString() {
          throw new Error('no');
        },
      },
    },
  ])('is UNKNOWN for a value that is no status (%#)', (received) => {
    expect(withCodeOfGrpc(received)).toMatchObject({ code: status.UNKNOWN, details: '' });
  });
});
