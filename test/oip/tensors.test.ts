import {
  bfloat16,
  bool,
  bytes,
  type Datatype,
  float16,
  float32,
  float64,
  inferRequest,
  inferResponse,
  int8,
  int16,
  int32,
  int64,
  type Tensor,
  tensor,
  texts,
  uint8,
  uint16,
  uint32,
  uint64,
} from 'failsoft/oip';
import { ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../src/oip/half.js';
import { expectProperty } from '../support/properties.js';

const overTheWire = (request: ModelInferRequest) =>
  ModelInferRequest.decode(ModelInferRequest.encode(request).finish());

/** The tensor that comes out of the bytes of a request with it. */
function sent(made: Tensor, raw: boolean): Tensor {
  return tensor(overTheWire(inferRequest('m', { other: uint8([1], [7]), x: made }, { raw })), 'x');
}

function comesOut(arbitrary: fc.Arbitrary<Tensor>, raw: boolean): void {
  const property = fc.property(arbitrary, (made) => {
    expect(sent(made, raw)).toEqual(made);
  });
  expectProperty(property, 100);
}

const list = <T>(element: fc.Arbitrary<T>) => fc.array(element, { maxLength: 12 });
const half = fc.integer({ min: 0, max: 0xffff });

/** Tensors of each datatype. */
const tensors: { readonly [D in Datatype]: fc.Arbitrary<Tensor> } = {
  BOOL: list(fc.boolean()).map((values) => bool([values.length], values)),
  INT8: fc.int8Array({ maxLength: 12 }).map((values) => int8([values.length], values)),
  INT16: fc.int16Array({ maxLength: 12 }).map((values) => int16([1, values.length], values)),
  INT32: fc.int32Array({ maxLength: 12 }).map((values) => int32([values.length, 1], values)),
  INT64: list(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)).map((values) => int64([values.length], values)),
  UINT8: fc.uint8Array({ maxLength: 12 }).map((values) => uint8([values.length], values)),
  UINT16: fc.uint16Array({ maxLength: 12 }).map((values) => uint16([values.length], values)),
  UINT32: fc.uint32Array({ maxLength: 12 }).map((values) => uint32([values.length], values)),
  UINT64: list(fc.bigInt(0n, 2n ** 64n - 1n)).map((values) => uint64([values.length], values)),
  FP16: list(half.map(fromFloat16)).map((values) => float16([values.length], values)),
  BF16: list(half.map(fromBfloat16)).map((values) => bfloat16([values.length], values)),
  FP32: fc.float32Array({ maxLength: 12 }).map((values) => float32([values.length], values)),
  FP64: fc.float64Array({ maxLength: 12 }).map((values) => float64([values.length], values)),
  BYTES: list(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 9 }))).map((values) =>
    bytes([values.length], values),
  ),
};
const DATATYPES = Object.entries(tensors);

describe('a tensor', () => {
  it.each(DATATYPES)('of %s comes out of raw contents as it went in', (_datatype, arbitrary) => {
    comesOut(arbitrary, true);
  });

  it.each(DATATYPES.filter(([datatype]) => !/^[FB][PF]?16$/.test(datatype)))(
    'of %s comes out of contents as it went in',
    (_datatype, arbitrary) => {
      comesOut(arbitrary, false);
    },
  );

  it('has the elements of each datatype where the protocol has them', () => {
    const contents = (made: Tensor) => inferRequest('m', { x: made }, { raw: false }).inputs[0]?.contents;
    expect(contents(int8([2], [-1, 2]))?.intContents).toEqual([-1, 2]);
    expect(contents(int64([1], [5]))?.int64Contents).toEqual([5n]);
    expect(contents(uint16([1], [9]))?.uintContents).toEqual([9]);
    expect(contents(bytes([1], ['é']))?.bytesContents).toEqual([Uint8Array.of(0xc3, 0xa9)]);
    const raw = (made: Tensor) => Buffer.from(inferRequest('m', { x: made }).rawInputContents[0] ?? '');
    expect(raw(bytes([2], ['ab', ''])).toString('hex')).toBe('020000006162' + '00000000');
    expect(raw(bool([2], [true, false])).toString('hex')).toBe('0100');
    expect(raw(int64([1], [-2])).toString('hex')).toBe('feffffffffffffff');
    expect(raw(float16([3], [1, -2, 65504])).toString('hex')).toBe('003c00c0ff7b');
    expect(raw(bfloat16([2], [1, -2])).toString('hex')).toBe('803f00c0');
  });

  it('is written without a copy of a typed array, and read as a view where the bytes are aligned', () => {
    const values = Float32Array.of(1, 2, 3, 4);
    const request = inferRequest('m', { x: float32([2, 2], values) });
    expect(request.rawInputContents[0]?.buffer).toBe(values.buffer);
    expect(tensor(request, 'x', 'FP32').data.buffer).toBe(values.buffer);
    // as grpc-js gives them: a slice of a Buffer, whose own slice() makes no copy
    for (const odd of [new Uint8Array(new ArrayBuffer(9), 1, 8), Buffer.from(new ArrayBuffer(9), 1, 8)]) {
      new DataView(odd.buffer).setFloat64(1, 0.25, true);
      const response = inferResponse(request, { y: float64([1], [0]) });
      response.rawOutputContents = [odd];
      const { data } = tensor(response, 'y', 'FP64');
      expect(data).toEqual(Float64Array.of(0.25));
      expect(data.buffer).not.toBe(odd.buffer);
    }
  });

  it('has the type of its datatype', () => {
    const request = inferRequest('m', { x: float32([1], [1]) });
    expectTypeOf(tensor(request, 'x', 'FP32').data).toEqualTypeOf<Float32Array>();
    const any = tensor(request, 'x');
    if (any.datatype === 'INT64') expectTypeOf(any.data).toEqualTypeOf<BigInt64Array>();
    expectTypeOf(texts).returns.toEqualTypeOf<string[]>();
  });

  it.each<[string, () => unknown, string]>([
    [
      'another number of elements',
      () => float32([1, 4], [1, 2, 3]),
      'float32(shape, values): expected 4 values for the shape [1, 4], got "3 values"',
    ],
    [
      'an element out of range',
      () => int8([2], [1, 128]),
      'int8[1]: expected an integer from -128 to 127, got 128',
    ],
    ['a fraction', () => int32([1], [0.5]), 'int32[0]: expected an integer'],
    ['an unsafe integer', () => int64([1], [2 ** 60]), 'int64[0]: expected a bigint from'],
    ['a negative uint64', () => uint64([1], [-1n]), 'uint64[0]: expected a bigint from 0'],
    [
      'no number',
      () => Reflect.apply(float64, undefined, [[1], ['1']]),
      'float64[0]: expected a number, got "1"',
    ],
    ['no boolean', () => Reflect.apply(bool, undefined, [[1], [1]]), 'bool[0]: expected a boolean, got 1'],
    [
      'no bytes',
      () => Reflect.apply(bytes, undefined, [[1], [1]]),
      'bytes[0]: expected a string or a Uint8Array, got 1',
    ],
    [
      'a hole',
      () => Reflect.apply(float32, undefined, [[2], new Array(2)]),
      'float32[0]: expected a number, got undefined',
    ],
    [
      'no array',
      () => Reflect.apply(float32, undefined, [[1], 5]),
      'float32(shape, values): expected an array of values, got 5',
    ],
    [
      'an open dimension',
      () => float32([-1], []),
      'float32: shape[0]: expected a length of 0 or more, got -1',
    ],
    ['a shape without end', () => float32([2 ** 40, 2 ** 40], []), 'expected a countable number of elements'],
    [
      'no shape',
      () => Reflect.apply(float32, undefined, [4, [1]]),
      'float32: shape: expected an array of lengths, got 4',
    ],
    [
      '16-bit floats outside raw contents',
      () => inferRequest('m', { x: float16([1], [1]) }, { raw: false }),
      'input "x": expected raw contents for FP16',
    ],
    [
      'no tensor',
      () => Reflect.apply(inferRequest, undefined, ['m', { x: [1, 2] }]),
      'input "x": expected a tensor, such as float32(shape, values), got an array of 2',
    ],
    [
      'no model',
      () => Reflect.apply(inferRequest, undefined, [undefined, {}]),
      "inferRequest(model): expected a model's name",
    ],
    [
      'a misspelt option',
      () => Reflect.apply(inferRequest, undefined, ['m', {}, { vresion: '1' }]),
      'inferRequest(options).vresion: expected one of the options version',
    ],
  ])('with %s is an error that says so', (_what, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('a message that does not fit', () => {
  const good = inferResponse(
    inferRequest('m', {}),
    { y: float32([2], [1, 2]), s: bytes([1], ['a']) },
    { raw: true },
  );
  const broken = (change: (message: ModelInferResponse) => void) => {
    const message = ModelInferResponse.decode(ModelInferResponse.encode(good).finish());
    change(message);
    return message;
  };

  it.each<[string, ModelInferResponse, string, string]>([
    ['has no such output', good, 'z', 'expected an output among "y", "s", got "z"'],
    [
      'has too few bytes',
      broken((m) => {
        m.rawOutputContents[0] = Buffer.alloc(4);
      }),
      'y',
      'output "y": expected 2 elements for the shape [2], got "1 elements"',
    ],
    [
      'has half an element',
      broken((m) => {
        m.rawOutputContents[0] = Buffer.alloc(7);
      }),
      'y',
      'output "y": expected elements of 4 bytes, got "7 bytes"',
    ],
    [
      'has too few raw contents',
      broken((m) => void m.rawOutputContents.pop()),
      's',
      'output "s": expected an entry in the raw contents',
    ],
    [
      'has no contents',
      broken((m) => {
        m.rawOutputContents = [];
      }),
      'y',
      'output "y": expected 2 elements for the shape [2], got "0 elements"',
    ],
    [
      'has a length beyond its end',
      broken((m) => {
        m.rawOutputContents[1] = Buffer.of(9, 0, 0, 0, 1);
      }),
      's',
      'output "s": expected a length of 4 bytes and its element at byte 0, got "1 bytes for an element of 9"',
    ],
    [
      'ends within a length',
      broken((m) => {
        m.rawOutputContents[1] = Buffer.of(9, 0);
      }),
      's',
      'got "2 bytes"',
    ],
    [
      'has an unknown datatype',
      broken((m) => void Object.assign(m.outputs[0] ?? {}, { datatype: 'FP8' })),
      'y',
      'output "y": expected a known datatype, got "FP8"',
    ],
    [
      'has a negative length',
      broken((m) => void Object.assign(m.outputs[0] ?? {}, { shape: [-1n] })),
      'y',
      'output "y": shape[0]: expected a length of 0 or more, got -1n',
    ],
  ])('since it %s, is an error that says so', (_what, message, name, text) => {
    expect(() => tensor(message, name)).toThrow(text);
  });

  it('is an error where another datatype was expected, or no message came', () => {
    expect(() => tensor(good, 'y', 'INT64')).toThrow('output "y": expected INT64, got "FP32"');
    expect(() => texts(good, 'y')).toThrow('output "y": expected BYTES, got "FP32"');
    expect(() => Reflect.apply(tensor, undefined, [{}, 'y'])).toThrow(
      'a ModelInferRequest or ModelInferResponse',
    );
    expect(texts(good, 's')).toEqual(['a']);
  });
});

describe('a request', () => {
  it('has its options, and its response the same names and form', () => {
    const request = inferRequest(
      'iris',
      { x: float32([1, 4], [5.1, 3.5, 1.4, 0.2]) },
      {
        version: '2',
        id: 'a',
        outputs: ['y'],
        parameters: { flag: true, seed: 7n, t: 0.5, mode: 'fast' },
        raw: false,
      },
    );
    const { parameters, ...rest } = overTheWire(request);
    expect(rest).toMatchObject({ modelName: 'iris', modelVersion: '2', id: 'a', rawInputContents: [] });
    expect(rest.outputs.map(({ name }) => name)).toEqual(['y']);
    expect(
      [...parameters].map(([name, value]) => [name, Object.values(value).find((v) => v !== undefined)]),
    ).toEqual([
      ['flag', true],
      ['seed', 7n],
      ['t', 0.5],
      ['mode', 'fast'],
    ]);
    const response = inferResponse(request, { y: int64([1], [2]) });
    expect(response).toMatchObject({ modelName: 'iris', modelVersion: '2', id: 'a', rawOutputContents: [] });
    expect(tensor(response, 'y', 'INT64').data).toEqual(BigInt64Array.of(2n));
  });
});

describe('16-bit floats', () => {
  it('are the same after each way, for all 65536', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const [short, brain] = [fromFloat16(bits), fromBfloat16(bits)];
      if (!Number.isNaN(short)) expect(toFloat16(short) === bits).toBe(true);
      else expect(fromFloat16(toFloat16(short))).toBeNaN();
      if (!Number.isNaN(brain)) expect(toBfloat16(brain) === bits).toBe(true);
      else expect(fromBfloat16(toBfloat16(brain))).toBeNaN();
    }
  });

  it.each([
    ['a tie goes to the even neighbour', 1 + 2 ** -11, 0x3c00],
    ['a tie goes to the even neighbour above', 1 + 3 * 2 ** -11, 0x3c02],
    ['more than a tie goes up', 1 + 2 ** -11 + 2 ** -20, 0x3c01],
    ['the largest', 65_519, 0x7bff],
    ['beyond the largest', 65_520, 0x7c00],
    ['the smallest', 2 ** -24, 1],
    ['half of the smallest', 2 ** -25, 0],
    ['up to the normal range', 2 ** -14 - 2 ** -26, 0x0400],
    ['minus zero', -0, 0x8000],
  ])('%s', (_what, value, bits) => {
    expect(toFloat16(value)).toBe(bits);
    if (value !== 0) expect(toFloat16(-value)).toBe(bits | 0x8000);
  });

  it('round a bfloat16 to the even neighbour', () => {
    expect(toBfloat16(1 + 2 ** -8)).toBe(0x3f80);
    expect(toBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(toBfloat16(3.4e38)).toBe(0x7f80);
  });
});
