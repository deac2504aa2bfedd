import { status } from '@grpc/grpc-js';
import { cut } from '../../text.js';
import type { Attempt } from '../strategy.js';

const LONGEST_ERROR = 120;
const LONGEST_STORY = 480;

/**
 * Describes the attempts of a chain that did not answer, in a line of at most 480 characters:
 * `last-good declined; secondary:small failed (UNAVAILABLE: connection refused)`.
 */
export function describeAttempts(attempts: readonly Attempt[]): string {
  const story = attempts.map(describe).join('; ');
  return cut(story, LONGEST_STORY, '…');
}

function describe(attempt: Attempt): string {
  const error = attempt.error === undefined ? '' : ` (${cut(textOf(attempt.error), LONGEST_ERROR, '…')})`;
  return `${cut(textOf(attempt.strategy), 60, '…')} ${attempt.result}${error}`;
}

function textOf(error: unknown): string {
  try {
    if (!(error instanceof Error)) return String(error);
    const code = 'code' in error && typeof error.code === 'number' ? status[error.code] : undefined;
    if (code === undefined) return String(error.message === '' ? error.name : error.message);
    return `${code}: ${'details' in error ? String(error.details) : error.message}`;
  } catch {
    return 'an error that cannot be shown'; // the thrown value may have a toString that throws
  }
}
