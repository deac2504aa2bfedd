import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applicationPart, asKeyPart, keyPart, versionedPart } from '../../src/key/key-part.js';
import { expectProperty } from '../support/properties.js';

const HIGH = '\ud83d';
const LOW = '\ude00';

/** Names of what could collide: escapes, separators, half pairs, hashes, and long runs of them. */
const piece = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    '/',
    '@',
    '~',
    '%',
    '#',
    '7E',
    '40',
    '2F',
    'uD83D',
    HIGH,
    LOW,
    '\ufffd',
    'é',
    '~~',
  ),
  fc.constantFrom('x'.repeat(90), 'x'.repeat(127), HIGH.repeat(40), `${HIGH}${LOW}`.repeat(70)),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const fresh = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));
/** A part is itself a name that somebody may bring. */
const name = fc.oneof(fresh, fresh.map(keyPart), fresh.map(keyPart).map(keyPart));

function expectGoodPart(part: string): void {
  expect(part.length).toBeLessThanOrEqual(128);
  expect(part.isWellFormed()).toBe(true);
}

/** Two lists of names have one part only if they are the same list. */
function expectInjective(part: (first: string, second: string) => string, usual: number): void {
  const pair = fc.tuple(name, name);
  const related = pair.chain(([a, b]) =>
    fc.tuple(
      fc.constant([a, b] as const),
      fc.oneof(pair, fc.constantFrom([b, a], [`${a}${b}`, ''], ['', a])),
    ),
  );
  expectProperty(
    fc.property(related, ([[a, b], [c = '', d = '']]) => {
      const one = part(a, b);
      const other = part(c, d);
      expectGoodPart(one);
      expect(one === other).toBe(a === c && b === d);
    }),
    usual,
  );
}

describe('a key part', () => {
  it.each([
    ['demand-large', 'demand-large'],
    ['models/demand large:v2 (ünïcode) 100%', 'models/demand large:v2 (ünïcode) 100%'],
    [`${HIGH}${LOW}`, `${HIGH}${LOW}`],
    ['~/models', '~7E/models'],
    [`m${HIGH}`, 'm~uD83D'],
    [`${LOW}${HIGH}`, '~uDE00~uD83D'],
    ['', ''],
    ['x'.repeat(128), 'x'.repeat(128)],
  ])('of %j is %j', (text, part) => {
    expect(keyPart(text)).toBe(part);
  });

  it('of a long name is cut, and ends in a hash', () => {
    const part = keyPart('x'.repeat(10_000));
    expect(part).toMatch(/^x{94}~~[0-9a-f]{32}$/);
  });

  it('is never the part of another name', () => {
    const pairs = fc.tuple(name, name);
    expectProperty(
      fc.property(pairs, ([a, b]) => {
        expectGoodPart(keyPart(a));
        expect(keyPart(a) === keyPart(b)).toBe(a === b);
      }),
      3_000,
    );
  });

  it('of a name that is cut differs from the part of a name that looks like the cut form', () => {
    const cutForm = keyPart('x'.repeat(1_000));
    expect(keyPart(cutForm)).not.toBe(cutForm);
  });

  it('with a version is never the part of another pair', () => {
    expectInjective(versionedPart, 3_000);
    expect(versionedPart('a@1', '')).toBe('a@1@');
    expect(versionedPart('a', '1@')).toBe('a@1~40');
    expect(versionedPart('a', '1~40')).toBe('a@1~7E40');
  });

  it('with an application is never the part of another pair', () => {
    expectInjective((application, model) => applicationPart(application, model, undefined), 3_000);
    expectInjective((application, model) => applicationPart(application, model, ''), 1_000);
    expect(applicationPart('a/b', '', undefined)).toBe('a~2Fb');
    expect(applicationPart('a', 'b', undefined)).toBe('a/b');
    expect(applicationPart('', 'a/b', undefined)).toBe('/a/b');
  });

  it('is found by itself, and by the name', () => {
    const odd = name.filter((text) => !/~(?:7E|40|2F|uD|~)/.test(text));
    expectProperty(
      fc.property(fresh, odd, (any, plain) => {
        expect(asKeyPart(keyPart(any))).toBe(keyPart(any));
        expect(asKeyPart(plain)).toBe(keyPart(plain));
      }),
      2_000,
    );
  });
});
