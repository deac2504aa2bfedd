import type { EventEmitter } from 'node:events';
import { cancellingParent } from './budget.js';
import type { Call } from './call.js';

/**
 * Calls `onCancel` when the call's parent is cancelled, while no real call watches the parent.
 * @returns a function that ends the watch
 */
export function followParent(call: Call, onCancel: (details: string) => void): () => void {
  const parent = cancellingParent(call.options);
  if (parent === undefined) return nothing;
  const cancelled = () => onCancel('Cancelled by parent call');
  if (parent.cancelled) {
    cancelled(); // the parent emits its event only once
    return nothing;
  }
  const emitter: EventEmitter = parent;
  emitter.on('cancelled', cancelled);
  return () => emitter.removeListener('cancelled', cancelled);
}

function nothing(): void {}
