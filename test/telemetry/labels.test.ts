import { describe, expect, it } from 'vitest';
import { Labels } from '../../src/telemetry/readings/labels.js';

const ask = (labels: Labels, names: readonly string[]) => names.map((name) => labels.of(name)).join(' ');

describe('labels', () => {
  it('are given to the first names, which keep them; the others stay together', () => {
    const labels = new Labels(2, true);
    expect(ask(labels, ['a', 'b', 'c', 'a'])).toBe('a b _other a');
    expect([labels.forget('a'), labels.forget('c')]).toEqual([true, false]);
    expect(ask(labels, ['d', 'c', 'b', 'a'])).toBe('d _other b _other');
  });

  it('leave a name among the others that was there when another name was forgotten', () => {
    const labels = new Labels(1, true);
    expect(ask(labels, ['a', 'b'])).toBe('a _other');
    labels.forget('a');
    expect(ask(labels, ['b', 'c', 'b'])).toBe('_other c _other');
  });

  it('of names that are never forgotten stay few, whatever the number of names', () => {
    const labels = new Labels(2, false);
    for (let n = 0; n < 1_000; n++) labels.of(`m${n}`);
    expect(ask(labels, ['m0', 'm1', 'm2', '_other'])).toBe('m0 m1 _other _other');
  });

  it('are well-formed and bounded', () => {
    const label = new Labels(1, true).of('\ud83d'.repeat(10_000));
    expect([label.length, label.isWellFormed()]).toEqual([512, true]);
  });
});
