import type { FullServerSpec } from '../scenario/phases.js';
import type { Trouble } from './trouble.js';

/** The messages of the harness to a server process. */
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

/** The messages of a server process to the harness. */
export type ServerNotice =
  /** Its code is loaded: it can listen at once. */
  { readonly kind: 'ready' } | { readonly kind: 'listening'; readonly port: number };

/** The settings of a server process, as JSON in its first argument. */
export interface ServerStart {
  readonly spec: FullServerSpec;
  readonly seed: number;
  /** The name of the server, which each answer has, so that a caller sees which server answered. */
  readonly name: string;
  /** The time that callers give a call, in milliseconds: an answer within it is in time. */
  readonly deadlineMs: number;
  /** The path of its log. */
  readonly log: string;
}
