/** The trouble of a model, or of a server as a whole. A part that is left out is well. */
export interface Trouble {
  /** A factor on the working time of a call. @default 1 */
  readonly latencyMultiplier?: number;
  /** The share of calls, 0 to 1, that are never answered. @default 0 */
  readonly hangShare?: number;
  /** The share of calls, 0 to 1, that are answered with a status. @default 0 */
  readonly errorShare?: number;
  /** A gRPC status code. @default 14 (UNAVAILABLE) */
  readonly errorCode?: number;
  /** Whether such an error has `grpc-retry-pushback-ms`: the time that the trouble still lasts. @default false */
  readonly pushesBack?: boolean;
  /** The messages after which a stream stalls. @default none: it does not stall */
  readonly stallsAfterMessages?: number;
}

export const NO_TROUBLE: Trouble = {};
