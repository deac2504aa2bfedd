import type { EventEmitter } from 'node:events';
import { cancellingParent } from './budget.js';
import type { Call } from './call.js';

/** What a call does when the server call that it is made for is cancelled, while no real call watches that. */
export function followParent(call: Call, onCancel: (details: string) => void): () => void {
  const parent = cancellingParent(call.options);
  if (parent === undefined) return nothing;
  const cancelled = () => onCancel('Cancelled by parent call');
  if (parent.cancelled) {
    cancelled(); // it emits its event only once
    return nothing;
  }
  const emitter: EventEmitter = parent;
  emitter.on('cancelled', cancelled);
  return () => emitter.removeListener('cancelled', cancelled);
}

function nothing(): void {}
