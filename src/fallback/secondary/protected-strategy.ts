import type { Circuit } from '../../circuit/types.js';
import { invalid } from '../../errors.js';
import type { FallbackStrategy, Source, When } from '../strategy.js';
import { PROTECTION_KEYS, type ProtectionOptions } from './protection.js';

/** Options of a strategy that calls something, with a circuit of its own around its calls. */
export interface ProtectedStrategyOptions extends ProtectionOptions {
  /** The causes that it serves. @default 'always' */
  readonly when?: When;
  /** Time limit of an answer, in milliseconds. @default Infinity */
  readonly timeoutMs?: number;
  /** Its share of the remaining deadline, above 0, up to 1. @default 1 */
  readonly budgetShare?: number;
}

export const PROTECTED_STRATEGY_KEYS = [...PROTECTION_KEYS, 'when', 'timeoutMs', 'budgetShare'] as const;

/** A strategy with a circuit of its own around its calls. */
export interface ProtectedStrategy<Req, Res> extends FallbackStrategy<Req, Res> {
  /** Undefined with `circuit: false`. */
  readonly circuit: Circuit | undefined;
  /** Number of its calls that run now. */
  readonly inFlight: number;
}

/**
 * The source of a strategy with this name.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT naming the field
 */
export function sourceNamed(field: string, name: unknown): Source {
  if (typeof name !== 'string' || !/^[\w.-]{1,64}$/.test(name))
    throw invalid(field, 'up to 64 letters, digits, "_", "." or "-"', name);
  return `secondary:${name}`;
}

/** The causes and the time limits of a strategy, with their defaults. The registry checks them. */
export function limitsOf(
  options: ProtectedStrategyOptions,
): Required<Pick<ProtectedStrategyOptions, 'when' | 'timeoutMs' | 'budgetShare'>> {
  return {
    when: options.when ?? 'always',
    timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY,
    budgetShare: options.budgetShare ?? 1,
  };
}
