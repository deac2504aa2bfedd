/** Whether a signal aborted with the reason of `AbortSignal.timeout()`: a deadline has passed. Any other abort is a decision. */
export function isTimeout(reason: unknown): boolean {
  return typeof reason === 'object' && reason !== null && 'name' in reason && reason.name === 'TimeoutError';
}
