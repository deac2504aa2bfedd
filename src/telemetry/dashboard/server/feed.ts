import type { DeltaMessage, SnapshotMessage } from '../view/protocol.js';

/** The source of a page's figures. */
export interface Feed {
  /** The whole state, as it was at the last call of `changes()`. */
  full(): SnapshotMessage;
  /** The changes since the last call; `anew` where only a snapshot shows them; undefined where there are none. */
  changes(): DeltaMessage | 'anew' | undefined;
  /** How often `changes()` must be called while no page is open, in milliseconds; undefined where it need not be called. */
  readonly idleIntervalMs: number | undefined;
  /** Called when something has happened that a page should show at once. */
  onUrgent: (() => void) | undefined;
  close(): void;
}
