import { type Span, trace } from '@opentelemetry/api';
import { labelOf } from '../readings/labels.js';
import type { MeteredGuard } from '../readings/metered-guard.js';
import { CAUSE, CIRCUIT, SOURCE, TRANSITION } from './attributes.js';

/**
 * Writes how a call was answered on the span that is active where the call is made. An answer of a fallback is no error: the status
 * of the span does not change.
 * @returns a function that stops the writing
 */
export function annotateSpans(guard: MeteredGuard): () => void {
  return guard.observe(() => {
    const span = trace.getActiveSpan();
    if (span?.isRecording() !== true) return undefined;
    return {
      onTransition: ({ circuitKey, from, to, reason, openings }) =>
        add(span, () =>
          span.addEvent(TRANSITION, {
            [CIRCUIT]: labelOf(circuitKey),
            'failsoft.from': from,
            'failsoft.to': to,
            'failsoft.reason': reason,
            'failsoft.openings': openings,
          }),
        ),
      onEnd: ({ circuitKey, source, cause }) =>
        add(span, () =>
          span.setAttributes({
            [SOURCE]: labelOf(source),
            [CIRCUIT]: labelOf(circuitKey),
            ...(cause !== null && { [CAUSE]: cause }),
          }),
        ),
    };
  });
}

/** Writes on a span that has not ended: an ended span takes nothing, and logs a warning. */
function add(span: Span, write: () => void): void {
  if (span.isRecording()) write();
}
