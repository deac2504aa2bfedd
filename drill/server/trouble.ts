/** What is wrong with a model, or with a server as a whole. Whatever is left out is well. */
export interface Trouble {
  /** Times the time that a call is worked on. @default 1 */
  readonly latencyMultiplier?: number;
  /** The share of calls, 0 to 1, that are never answered. @default 0 */
  readonly hangShare?: number;
  /** The share of calls, 0 to 1, that are answered with a status. @default 0 */
  readonly errorShare?: number;
  /** A gRPC status code. @default 14 (UNAVAILABLE) */
  readonly errorCode?: number;
  /** Such an error says how long the trouble still lasts, in `grpc-retry-pushback-ms`. @default false */
  readonly pushesBack?: boolean;
  /** A stream gives so many messages and then nothing more. */
  readonly stallsAfterMessages?: number;
}

export const NO_TROUBLE: Trouble = {};
