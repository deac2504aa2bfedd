import { type Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Circumstances } from '../circuit/types.js';

const LOST: Circumstances = Object.freeze({ lostConnection: true });
const PERHAPS_LOST: Circumstances = Object.freeze({ lostConnection: 'perhaps' });
const NOT_SENT: Circumstances = Object.freeze({ notSent: true });

interface Words {
  readonly text: RegExp;
  readonly mean: Circumstances;
}

/**
 * grpc-js's texts for trouble with a connection, from version 1.11 on; the tests break real connections with the lowest and the
 * newest version. If a socket closes, its calls end with "Connection dropped", or before 1.12.3 with "Call cancelled", which is
 * also the text for a server's RST_STREAM. After a GOAWAY, calls have the texts of streams that end without a status.
 */
const WORDS: Readonly<Partial<Record<status, readonly Words[]>>> = {
  [status.UNAVAILABLE]: [
    { text: /^Connection dropped$/, mean: LOST },
    {
      text: /^(?:read|write) (?:ECONNRESET|ETIMEDOUT)\b|^socket hang up$|^Client network socket /,
      mean: LOST,
    },
    { text: /^Stream refused by server$/, mean: PERHAPS_LOST },
    // if the load balancing policy is not pick_first, its name stands before the text
    { text: /^(?:[a-z_]{1,40}: )?No (?:connection established|addresses resolved)\b/, mean: NOT_SENT },
    { text: /^Name resolution failed\b|^Channel closed before call started$/, mean: NOT_SENT },
  ],
  [status.INTERNAL]: [
    { text: /^Received RST_STREAM with code \d{1,10} triggered by internal client error: /, mean: LOST },
    { text: /^Received RST_STREAM with code |^Failed to start HTTP\/2 stream /, mean: PERHAPS_LOST },
  ],
  [status.CANCELLED]: [{ text: /^Call cancelled$/, mean: PERHAPS_LOST }],
  [status.RESOURCE_EXHAUSTED]: [
    { text: /^Bandwidth exhausted or memory limit exceeded$/, mean: PERHAPS_LOST },
  ],
};

/**
 * The trouble with its connection that made a call fail, by the text of the status; undefined if there is no sign of such
 * trouble. A status that grpc-js makes itself has no trailers. Never throws.
 */
export function connectionTroubleOf({ code, details, metadata }: StatusObject): Circumstances | undefined {
  const words = WORDS[code]?.find(({ text }) => text.test(details));
  return words !== undefined && isEmpty(metadata) ? words.mean : undefined;
}

function isEmpty(trailers: Metadata): boolean {
  try {
    return Object.keys(trailers.getMap()).length === 0;
  } catch {
    return false; // broken metadata of another interceptor
  }
}
