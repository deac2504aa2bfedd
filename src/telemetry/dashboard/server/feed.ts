import type { DeltaMessage, SnapshotMessage } from '../view/protocol.js';

/** Where a page's figures come from. */
export interface Feed {
  /** Everything, as it was when `changes()` was last called. */
  full(): SnapshotMessage;
  /** What has changed since the last call; `anew` where only a snapshot shows it; undefined if nothing has. */
  changes(): DeltaMessage | 'anew' | undefined;
  /** Whether it must be asked for changes while no page is open, so that a history is kept; else undefined. In milliseconds. */
  readonly idleIntervalMs: number | undefined;
  /** Called when something has happened that a page should show at once. */
  onUrgent: (() => void) | undefined;
  close(): void;
}
