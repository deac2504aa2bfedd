import type { Told } from '../story.js';

/** A way to guard calls that no interceptor of grpc-js reaches: a row of the table of docs/clients.md. */
export interface Adapter extends Told {
  readonly name: string;
  /** The packages that the story runs, by their names in the lock. */
  readonly packages: readonly string[];
  /** How it is attached, as a cell of the table. */
  readonly attached: string;
  /** How the source of an answer is read, as a cell of the table. */
  readonly source: string;
}
