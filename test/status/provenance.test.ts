import { Metadata } from '@grpc/grpc-js';
import { provenanceOf } from 'failsoft';
import { describe, expect, it } from 'vitest';
import type { Answer, Cause } from '../../src/fallback/strategy.js';
import { ageOf, label } from '../../src/status/provenance.js';
import { LONGEST_MS } from '../../src/status/status-details.js';
import { Warnings } from '../../src/telemetry/warnings.js';
import { overTheWire } from '../support/wire.js';

const CAUSE: Cause = { kind: 'rejected', reason: 'CIRCUIT_OPEN', retryAfterMs: 0 };
const answer = (more: Partial<Answer<unknown>> = {}): Answer<unknown> => ({
  source: 'last-good',
  message: {},
  ...more,
});

function fromServer(entries: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
}

describe("a fallback's label", () => {
  it('is read as it was written, also from a clone', () => {
    const metadata = label(answer({ ageMs: 1_500.4 }), CAUSE, new Warnings());
    for (const one of [metadata, metadata.clone()]) {
      expect(provenanceOf(one)).toEqual({
        source: 'last-good',
        degraded: true,
        cause: 'CIRCUIT_OPEN',
        ageMs: 1_500,
        upstream: undefined,
      });
    }
  });

  it.each([
    [Number.POSITIVE_INFINITY, undefined],
    [Number.NaN, undefined],
    [undefined, undefined],
    [-1, 0],
    [1e300, LONGEST_MS],
  ])('with an age of %d ms shows %d ms', (ageMs, expected) => {
    const one = answer(ageMs === undefined ? {} : { ageMs });
    expect(ageOf(one)).toBe(expected);
    expect(provenanceOf(label(one, CAUSE, new Warnings())).ageMs).toBe(expected);
  });

  it("replaces a label in the strategy's own metadata", () => {
    const metadata = fromServer({
      'failsoft-source': 'default',
      'failsoft-cause': 'ISOLATED',
      'failsoft-age-ms': '7',
    });
    const entries = metadata.getMap();
    expect(
      provenanceOf(label(answer({ metadata: entries as Record<string, string> }), CAUSE, new Warnings())),
    ).toMatchObject({
      source: 'last-good',
      cause: 'CIRCUIT_OPEN',
      ageMs: undefined,
    });
  });
});

describe("a server's own label", () => {
  it("is not taken for ours: the answer is the primary's, and degraded", () => {
    const ours = label(answer({ ageMs: 20 }), CAUSE, new Warnings());
    expect(provenanceOf(overTheWire(ours))).toEqual({
      source: 'primary',
      degraded: true,
      cause: undefined,
      ageMs: undefined,
      upstream: { source: 'last-good', cause: 'CIRCUIT_OPEN', ageMs: 20 },
    });
  });

  it.each([
    ['9'.repeat(400), undefined],
    ['9999999999999999', undefined],
    [String(LONGEST_MS), LONGEST_MS],
    ['-1', undefined],
    ['1e3', undefined],
    ['NaN', undefined],
    ['', undefined],
    ['0', 0],
  ])('with the age %j shows %d ms', (text, expected) => {
    const metadata = fromServer({ 'failsoft-source': 'default', 'failsoft-age-ms': text });
    expect(provenanceOf(metadata).upstream?.ageMs).toBe(expected);
  });

  it.each([{}, { 'failsoft-source': 'primary' }, { 'failsoft-age-ms': '7' }])(
    'is no label: %j',
    (entries) => {
      expect(provenanceOf(fromServer(entries))).toMatchObject({ source: 'primary', degraded: false });
    },
  );
});
