import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonical,
  digest,
  isSameMaterial,
  type KeyMaterial,
  type KeyPlace,
  placeOf,
  scopeOf,
} from '../../../src/fallback/request-key/key-material.js';
import { expectProperty } from '../../support/properties.js';
import { METHOD, request } from '../support.js';

/** Few characters, those that an encoding is made of, and halves of surrogate pairs: texts that are easily mistaken. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom('0', '1', '2', ':', '-', 'u', 'k', 'r', 'b', '\ud83d', '\ude00', 'é'),
    maxLength: 5,
  }),
  fc.string({ unit: 'binary', maxLength: 5 }),
);
const scope: fc.Arbitrary<KeyPlace & { identity: string }> = fc.record({
  namespace: text,
  circuitKey: text,
  method: text,
  host: fc.option(text, { nil: undefined }),
  identity: text,
});
const subject = fc.oneof(
  text,
  fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
  text.map((each) => Buffer.from(each, 'latin1')),
);
const drawn = fc.record({ scope, subject });
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** Two that differ in one part, in two, or in all. */
const pairs = fc.oneof(
  fc.tuple(drawn, drawn),
  fc
    .tuple(drawn, drawn, fc.constantFrom('namespace', 'circuitKey', 'method', 'host', 'identity'))
    .map(([a, b, part]): [Drawn, Drawn] => [a, { ...a, scope: { ...a.scope, [part]: b.scope[part] } }]),
  fc.tuple(drawn, drawn).map(([a, b]): [Drawn, Drawn] => [a, { ...a, subject: b.subject }]),
);

const materialOf = (from: Drawn): KeyMaterial => ({
  method: METHOD,
  scope: scopeOf(placeOf(from.scope), from.scope.identity),
  subject: from.subject,
});
const partsOf = ({ scope: { namespace, circuitKey, method, host, identity }, subject: last }: Drawn) => [
  ...[namespace, circuitKey, method, identity, host ?? null].map(
    (each) => each && Buffer.from(each, 'utf16le').toString('hex'),
  ),
  typeof last === 'string' ? `text ${Buffer.from(last, 'utf16le').toString('hex')}` : last.toString('hex'),
];
const isSame = (a: Drawn, b: Drawn) =>
  JSON.stringify([partsOf(a), a.scope.host]) === JSON.stringify([partsOf(b), b.scope.host]);

describe('the material of a key', () => {
  it('is injective: two share a digest, or are the same, only when every part is the same', () => {
    expectProperty(
      fc.property(pairs, ([a, b]) => {
        const [first, second] = [materialOf(a), materialOf(b)];
        expect(digest(first) === digest(second)).toBe(isSame(a, b));
        expect(isSameMaterial(first, second)).toBe(isSame(a, b));
      }),
      5_000,
    );
  });

  it('has no scope that begins with another, so that a request cannot complete it', () => {
    expectProperty(
      fc.property(scope, scope, (a, b) => {
        const [first, second] = [scopeOf(placeOf(a), a.identity), scopeOf(placeOf(b), b.identity)];
        expect(first.startsWith(second)).toBe(first === second);
      }),
      5_000,
    );
  });

  it('differs for long requests, too, whose bytes are hashed in another way', () => {
    const of = (bytes: Buffer): KeyMaterial => ({ method: METHOD, scope: 'a', subject: bytes });
    const keys = [2_047, 2_048, 2_049, 100_000].flatMap((length) => {
      const changed = Buffer.alloc(length);
      changed[length - 1] = 1;
      return [digest(of(Buffer.alloc(length))), digest(of(changed)), digest({ ...of(changed), scope: 'b' })];
    });
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is put in order up to a length, and left as it was sent above it', () => {
    const entries = ['a', 'b'].map((name) => [name, { stringParam: name }] as const);
    const of = (parameters: ReturnType<typeof request>['parameters']): KeyMaterial => ({
      method: METHOD,
      scope: '',
      subject: METHOD.requestSerialize(request({ parameters })),
    });
    const inOrder = of(new Map(entries));
    const reversed = of(new Map([...entries].reverse()));
    const { length } = reversed.subject;
    expect(canonical(reversed, length)).toEqual(inOrder);
    expect(canonical(reversed, length - 1)).toBe(reversed);
    expect(canonical(inOrder, length)).toBe(inOrder);
  });
});
