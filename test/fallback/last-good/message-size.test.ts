import { ModelInferResponse } from 'failsoft/protos/oip';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCertainlyLonger } from '../../../src/fallback/last-good/message-size.js';
import { expectProperty } from '../../support/properties.js';

const encodedLength = (message: ModelInferResponse) => ModelInferResponse.encode(message).finish().length;

const contents = fc.record({
  boolContents: fc.array(fc.boolean()),
  intContents: fc.array(fc.integer()),
  int64Contents: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  uintContents: fc.array(fc.nat()),
  uint64Contents: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  fp32Contents: fc.array(fc.float({ noNaN: true })),
  fp64Contents: fc.array(fc.double()),
  bytesContents: fc.array(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
});
const messages = fc
  .record({
    id: fc.string({ maxLength: 2000 }),
    outputs: fc.array(
      fc.record({
        name: fc.string(),
        datatype: fc.constant('FP32'),
        shape: fc.array(fc.bigInt({ min: 0n, max: 9n })),
        contents,
      }),
      { maxLength: 3 },
    ),
    rawOutputContents: fc.array(fc.uint8Array().map((bytes) => Buffer.from(bytes))),
    parameters: fc
      .dictionary(fc.string(), fc.record({ stringParam: fc.string({ maxLength: 600 }) }))
      .map((each) => new Map(Object.entries(each))),
  })
  .map((fields) => ModelInferResponse.fromPartial(fields));

describe('whether a message is certainly longer', () => {
  it('is never true for a message that is not', () => {
    expectProperty(
      fc.property(messages, (message) => {
        expect(isCertainlyLonger(message, encodedLength(message))).toBe(false);
      }),
      500,
    );
  });

  it.each([
    ['raw bytes', { rawOutputContents: [Buffer.alloc(600), Buffer.alloc(600)] }],
    [
      'floats',
      {
        outputs: [
          { name: 'y', datatype: 'FP32', shape: [], contents: { fp32Contents: Array(300).fill(0.5) } },
        ],
      },
    ],
    ['long texts', { id: 'x'.repeat(2000) }],
    ['a map of texts', { parameters: new Map([['a', { stringParam: 'x'.repeat(2000) }]]) }],
  ])('is found out for %s', (_, fields) => {
    const message = ModelInferResponse.fromPartial(fields);
    expect(encodedLength(message)).toBeGreaterThan(1_000);
    expect(isCertainlyLonger(message, 1_000)).toBe(true);
  });

  it('is found out without a look at each number', () => {
    let looks = 0;
    const list: unknown[] = new Proxy(Array(1_000_000).fill(0.5), {
      get(target, name, receiver) {
        looks++;
        return Reflect.get(target, name, receiver);
      },
    });
    expect(isCertainlyLonger({ list }, 1_000_000)).toBe(true);
    expect(looks).toBeLessThan(100);
  });

  it('ends for a message that contains itself, and for a value that is no message', () => {
    const loop: Record<string, unknown> = { a: 'x' };
    loop.self = loop;
    expect(isCertainlyLonger(loop, 10)).toBe(false);
    for (const value of [undefined, null, 7, 'short', new Date(), Symbol('s')])
      expect(isCertainlyLonger(value, 10)).toBe(false);
  });
});
