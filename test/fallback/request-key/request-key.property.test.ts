import { Metadata } from '@grpc/grpc-js';
import { ModelInferRequest } from 'failsoft/protos/oip';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KeyedCall, RequestKey } from '../../../src/fallback/request-key/request-key.js';
import { expectProperty } from '../../support/properties.js';
import { METHOD, metadata, request } from '../support.js';

const key = new RequestKey({ vary: ['authorization', 'x-tenant-bin'] }, 'key');
key.bind(METHOD);
const call = (asked: ModelInferRequest, by = new Metadata()): KeyedCall => ({
  method: METHOD.path,
  circuitKey: METHOD.path,
  request: asked,
  metadata: by,
  host: undefined,
});
const isKnown = () => false;
const keyOf = (asked: ModelInferRequest, by?: Metadata) =>
  key.keyOf(key.materialOf(call(asked, by)), isKnown);

const parameter = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((int64Param) => ({ int64Param })),
  fc.string({ unit: 'grapheme' }).map((stringParam) => ({ stringParam })),
  fc.boolean().map((boolParam) => ({ boolParam })),
);
const parameters = fc.uniqueArray(
  fc.tuple(fc.oneof(fc.string(), fc.constant('__proto__'), fc.nat().map(String)), parameter),
  {
    selector: ([name]) => name,
    maxLength: 6,
  },
);
const tensor = fc.record({
  name: fc.string(),
  shape: fc.array(fc.bigInt({ min: 0n, max: 1000n }), { maxLength: 3 }),
  parameters,
  fp32: fc.array(fc.float({ noNaN: true }), { maxLength: 4 }),
});
const drawn = fc.record({
  modelName: fc.string(),
  id: fc.string(),
  parameters,
  inputs: fc.array(tensor, { maxLength: 3 }),
  raw: fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 2 }),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** A request from what was drawn, its maps filled in the order that `order` gives. */
function build(from: Drawn, order: <T>(list: readonly T[]) => T[]): ModelInferRequest {
  return request({
    modelName: from.modelName,
    id: from.id,
    parameters: new Map(order(from.parameters)),
    inputs: from.inputs.map((each) => ({
      name: each.name,
      datatype: 'FP32',
      shape: each.shape,
      parameters: new Map(order(each.parameters)),
      contents: {
        boolContents: [],
        intContents: [],
        int64Contents: [],
        uintContents: [],
        uint64Contents: [],
        fp32Contents: each.fp32,
        fp64Contents: [],
        bytesContents: [],
      },
    })),
    rawInputContents: from.raw.map((each) => Buffer.from(each)),
  });
}

const identity = fc.record({
  authorization: fc.array(
    fc.string({ unit: 'grapheme-ascii' }).filter((text) => /^[ -~]*$/.test(text)),
    { maxLength: 3 },
  ),
  tenant: fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 2 }),
});
function metadataOf({ authorization, tenant }: { authorization: string[]; tenant: Uint8Array[] }): Metadata {
  const made = metadata({});
  for (const value of authorization) made.add('authorization', value);
  for (const value of tenant) made.add('x-tenant-bin', Buffer.from(value));
  return made;
}

describe('the key of a request', () => {
  it('is canonical: the order in which maps were filled does not matter', () => {
    expectProperty(
      fc.property(drawn, (from) => {
        const inOrder = keyOf(build(from, (list) => [...list]));
        expect(keyOf(build(from, (list) => [...list].reverse()))).toBe(inOrder);
        expect(keyOf(build(from, (list) => [...list.slice(1), ...list.slice(0, 1)]))).toBe(inOrder);
      }),
      300,
    );
  });

  it('is that of the same request after the wire', () => {
    expectProperty(
      fc.property(drawn, (from) => {
        const asked = build(from, (list) => [...list]);
        expect(keyOf(ModelInferRequest.decode(ModelInferRequest.encode(asked).finish()))).toBe(keyOf(asked));
      }),
      200,
    );
  });

  it('differs for different requests', () => {
    expectProperty(
      fc.property(drawn, drawn, (a, b) => {
        const [first, second] = [a, b].map((from) =>
          build(from, (list) => list.toSorted((x, y) => (String(x) < String(y) ? -1 : 1))),
        );
        if (first === undefined || second === undefined) throw new Error('two were drawn');
        const same = Buffer.from(ModelInferRequest.encode(first).finish()).equals(
          ModelInferRequest.encode(second).finish(),
        );
        fc.pre(!same);
        expect(keyOf(first)).not.toBe(keyOf(second));
      }),
      300,
    );
  });

  it('no two identities share one', () => {
    expectProperty(
      fc.property(identity, identity, (a, b) => {
        const same =
          JSON.stringify([a.authorization, a.tenant.map((each) => [...each])]) ===
          JSON.stringify([b.authorization, b.tenant.map((each) => [...each])]);
        const asked = request();
        expect(keyOf(asked, metadataOf(a)) === keyOf(asked, metadataOf(b))).toBe(same);
        expect(key.isSameCaller(metadataOf(a), metadataOf(b))).toBe(same);
        expect(key.isSameCaller(metadataOf(a), metadataOf(a))).toBe(true);
      }),
      1000,
    );
  });

  it('an identity cannot be forged through the request or a key of the user’s', () => {
    const byText = new RequestKey({ keyOf: (asked: ModelInferRequest) => asked.id }, 'key');
    byText.bind(METHOD);
    expectProperty(
      fc.property(fc.string(), fc.string(), fc.string(), fc.string(), (idA, idB, whoA, whoB) => {
        fc.pre(idA !== idB || whoA !== whoB);
        const make = (id: string, who: string) =>
          byText.keyOf(
            byText.materialOf(
              call(request({ id }), metadata({ authorization: who.replace(/[^ -~]/g, '?') })),
            ),
            isKnown,
          );
        const clean = (who: string) => who.replace(/[^ -~]/g, '?');
        fc.pre(idA !== idB || clean(whoA) !== clean(whoB));
        expect(make(idA, whoA)).not.toBe(make(idB, whoB));
      }),
      500,
    );
  });
});
