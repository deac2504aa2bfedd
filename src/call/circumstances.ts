import { type StatusObject, status } from '@grpc/grpc-js';
import type { Circumstances } from '../circuit/types.js';

const NOT_SENT: Circumstances = Object.freeze({ notSent: true });

/** grpc-js names the load balancing policy first, where it is not `pick_first`. */
const NO_CONNECTION = /^(?:[a-z_]{1,40}: )?No connection established\b/;

/** What the status of a failed call says about its connection. grpc-js's own words; a status of a server has trailers. */
export function circumstancesOf({ code, details, metadata }: StatusObject): Circumstances | undefined {
  if (code !== status.UNAVAILABLE || !NO_CONNECTION.test(details)) return undefined;
  return Object.keys(metadata.getMap()).length === 0 ? NOT_SENT : undefined;
}
