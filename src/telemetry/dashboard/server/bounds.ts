import { type DeltaMessage, idOf } from '../view/protocol.js';
import type { StreamState } from '../view/state.js';

/** Most circuits of all processes together: a process may fail to report which circuits are gone. */
const MOST_CIRCUITS = 50_000;
/** Most settings that are kept though no circuit has them any more. */
const MOST_UNUSED = 2_000;

/** The message without the new circuits for which there is no room. */
export function bounded(
  { circuits }: Pick<StreamState, 'circuits'>,
  message: DeltaMessage,
  most = MOST_CIRCUITS,
): DeltaMessage {
  if (message.circuits === undefined) return message;
  let room = most - circuits.size;
  const views = message.circuits.filter(
    ({ process, circuitKey }) => circuits.has(idOf(process, circuitKey)) || room-- > 0,
  );
  return { ...message, circuits: views };
}

/** Deletes settings that no circuit has: a process gives changed settings a new name, and never reports which names are gone. */
export function forgetUnused({ settings, circuits }: Pick<StreamState, 'settings' | 'circuits'>): void {
  if (settings.size <= circuits.size + MOST_UNUSED) return;
  const used = new Set(Array.from(circuits.values(), ({ view }) => view.settings));
  for (const name of settings.keys()) if (!used.has(name)) settings.delete(name);
}
