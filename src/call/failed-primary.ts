import { type StatusObject, status } from '@grpc/grpc-js';
import type { Outcome } from '../classify/outcome.js';
import type { Entry } from '../guard/circuit-registry.js';
import { withFallbackStory } from '../status/rejection.js';
import { answeredByPrimary } from './answered.js';
import type { Call } from './call.js';
import type { HeldAnswer } from './held-answer.js';
import type { Unanswered } from './unanswered.js';

/** A real call that failed. */
export class FailedPrimary implements Unanswered {
  readonly entry: Entry;
  private readonly held: HeldAnswer;
  /** The status as it came: its code and details are passed on unchanged. */
  private readonly received: StatusObject;
  private readonly normal: StatusObject;
  private readonly outcome: Outcome;

  constructor(
    entry: Entry,
    held: HeldAnswer,
    received: StatusObject,
    normal: StatusObject,
    outcome: Outcome,
  ) {
    this.entry = entry;
    this.held = held;
    this.received = received;
    this.normal = normal;
    this.outcome = outcome;
  }

  status(_call: Call, story: string | undefined): StatusObject {
    if (story === undefined || this.normal.code === status.OK) return this.received;
    const { metadata } = withFallbackStory(this.normal, story);
    return { ...this.received, metadata };
  }

  giveUp(call: Call, story: string | undefined): void {
    answeredByPrimary(call, this.entry, this.outcome, this.normal.code);
    this.held.releaseWith(call, this.status(call, story));
  }
}
