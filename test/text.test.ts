import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, wellFormed } from '../src/text.js';
import { expectProperty } from './support/properties.js';

const HIGH = '\ud83d';
const LOW = '\ude00';

describe('text', () => {
  it.each([
    ['plain', 10, '', 'plain'],
    ['plain', 3, '', 'pla'],
    ['plain', 3, '…', 'pl…'],
    [`ab${HIGH}${LOW}`, 4, '', `ab${HIGH}${LOW}`],
    [`ab${HIGH}${LOW}c`, 3, '', 'ab'],
    [`ab${HIGH}${LOW}cd`, 4, '…', 'ab…'],
    [`ab${HIGH}${LOW}cd`, 5, '…', `ab${HIGH}${LOW}…`],
    [`a${HIGH}b`, 9, '', 'a\ufffdb'],
    [`a${LOW}${HIGH}b`, 3, '', 'a\ufffd\ufffd'],
  ])('%j cut to %i with %j is %j', (text, longest, mark, expected) => {
    expect(cut(text, longest, mark)).toBe(expected);
  });

  it('fits every encoder, and is never longer than the limit', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 });
    const surrogates = fc.array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 40 });
    expectProperty(
      fc.property(fc.oneof(units, surrogates), fc.integer({ min: 1, max: 20 }), (codes, longest) => {
        const text = String.fromCharCode(...codes);
        encodeURI(wellFormed(text));
        for (const mark of ['', '…']) {
          const short = cut(text, longest, mark);
          encodeURI(short);
          expect(short.length).toBeLessThanOrEqual(longest);
        }
        expect(cut(text, 40)).toBe(wellFormed(text));
      }),
      1_000,
    );
  });

  it('that is well-formed stays as it is', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    expectProperty(
      fc.property(text, (any) => wellFormed(any) === any && cut(any, 40) === any),
      200,
    );
  });
});
