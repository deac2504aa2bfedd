import { keyPart } from '../key/key-part.js';
import type { Call } from './call.js';

/** The parts of a call that choose its circuit. */
export type KeyedCall = Pick<Call, 'method' | 'callOptions' | 'request' | 'metadata'>;

/** The key part of a call: the call option `key`, or the result of the method's `keyBy`. Never throws. */
export function keyPartOf(call: KeyedCall): string {
  const { key } = call.callOptions;
  if (key !== undefined) return keyPart(key);
  try {
    return call.method.settings.keyPart.of(call.request, call.metadata);
  } catch (error) {
    // If a key function throws, the call goes on under the method's own circuit.
    call.method.events.warnings.report(error, `keyBy of ${call.method.path}`);
    return '';
  }
}
