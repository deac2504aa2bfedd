import { invalid } from '../errors.js';
import type { CauseKind, When } from './strategy.js';

const KINDS: readonly CauseKind[] = ['rejected', 'failed', 'slow'];
const EXPECTED = `one of ${[...KINDS, 'always'].join(', ')}, or a list of causes`;

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function checkWhen(field: string, when: When): When {
  const isKnown = (kind: unknown) => KINDS.some((known) => known === kind);
  if (Array.isArray(when)) {
    if (when.length === 0 || !when.every(isKnown)) throw invalid(field, EXPECTED, when);
    return Object.freeze([...when]);
  }
  if (when !== 'always' && !isKnown(when)) throw invalid(field, EXPECTED, when);
  return when;
}

/** Whether a strategy with this `when` is asked for the cause. */
export function isFor(when: When | undefined, kind: CauseKind): boolean {
  if (when === undefined || when === 'always' || when === kind) return true;
  return typeof when !== 'string' && when.includes(kind);
}
