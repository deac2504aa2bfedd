/**
 * What is known of a finished call beside its outcome. Not every failure is evidence against a model, and not every slow call
 * is a slow model. A call without circumstances, as nearly every call is, counts by its outcome and its duration.
 */
export interface Circumstances {
  /**
   * The call failed because its connection was lost. All calls on a connection fail together: those that began before the last
   * such failure that counted are correlated with it, and count nothing more. A probe that is lost is a failed probe.
   * `'perhaps'`: it may also be the failure of this call alone; it is correlated only if it ended at the same moment as the
   * one that counted, with no answer between them. Its duration is no latency.
   */
  readonly lostConnection?: boolean | 'perhaps';
  /** The call failed because there was no connection to send it on. It counts as a failure, but its duration does not. A probe is given back. */
  readonly notSent?: boolean;
  /** The call began before its server's first answer on the connection. Its duration is no latency; its failure counts. */
  readonly connecting?: boolean;
  /**
   * The process's own event loop stood still for a good part of the call. Its duration is no latency; a failure with this
   * mark, which only a time-out should have, counts nothing.
   */
  readonly stalled?: boolean;
}

/** Whether the duration of such a call is a latency of the server. */
export function isLatency({ lostConnection = false, notSent, connecting, stalled }: Circumstances): boolean {
  return lostConnection === false && notSent !== true && connecting !== true && stalled !== true;
}
