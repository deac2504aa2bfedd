import { type StatusObject, status } from '@grpc/grpc-js';
import type { Rejection } from '../circuit/types.js';
import type { Entry } from '../guard/circuit-registry.js';
import { rejectionStatus } from '../status/rejection.js';
import { type Call, giveError } from './call.js';
import { OVER } from './over.js';
import type { RejectedBy } from './permits.js';
import { causeOf, recordNoAnswer } from './record-end.js';
import type { Unanswered } from './unanswered.js';

/** A call that a circuit rejected. */
export class RejectedCall implements Unanswered {
  /** The circuit of the call's own key. */
  readonly entry: Entry;
  private readonly by: RejectedBy;

  constructor(entry: Entry, by: RejectedBy) {
    this.entry = entry;
    this.by = by;
  }

  get rejection(): Rejection {
    return this.by.rejection;
  }

  status(call: Pick<Call, 'deadlineMs'>, story: string | undefined, expired: boolean): StatusObject {
    const rejected = rejectionStatus(this.by.entry.key, this.by.rejection, call.deadlineMs, story);
    if (!expired) return rejected;
    return {
      code: status.DEADLINE_EXCEEDED,
      details: `Deadline exceeded while a fallback ran; ${rejected.details}`,
      metadata: rejected.metadata,
    };
  }

  giveUp(call: Call, story: string | undefined, expired: boolean): void {
    call.stage = OVER;
    const final = this.status(call, story, expired);
    recordNoAnswer(call, this.entry, causeOf(this.rejection), final.code);
    giveError(call, final);
  }
}
