import type { FullServerSpec } from '../scenario/phases.js';
import type { Trouble } from './trouble.js';

/** What the harness sends a server process. */
export type ServerCommand =
  | { readonly kind: 'listen'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'trouble';
      readonly model: string | undefined;
      readonly trouble: Trouble;
      readonly forMs: number;
    }
  | { readonly kind: 'reset'; readonly whenInFlight: number }
  | { readonly kind: 'resets'; readonly everyMs: number }
  | { readonly kind: 'drain' };

/** What a server process sends the harness. */
export type ServerNotice =
  /** Its code is loaded: it can listen at once. */
  { readonly kind: 'ready' } | { readonly kind: 'listening'; readonly port: number };

/** With what a server process is started, as JSON in its first argument. */
export interface ServerStart {
  readonly spec: FullServerSpec;
  readonly seed: number;
  /** Is in each answer, so that a caller sees who answered. */
  readonly name: string;
  /** What callers give a call: what "in time" means to it. */
  readonly deadlineMs: number;
  /** The file that it writes its log to. */
  readonly log: string;
}
