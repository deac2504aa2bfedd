/**
 * Facts that make the outcome or the duration of a call weaker evidence: not every failure speaks against a model, and not
 * every slow call is due to a slow model. A call without circumstances (nearly every call) counts by its outcome and duration.
 */
export interface Circumstances {
  /**
   * The call failed because its connection was lost. All calls on a connection fail together, and only the first of them counts:
   * a lost call that began before that failure is correlated with it and does not count. A lost probe is a failed probe. The
   * duration is no latency.
   *
   * `'perhaps'`: the failure may also be that of this call alone. It is correlated only if it ended at the same moment as the
   * failure that counted, with no healthy answer between them.
   */
  readonly lostConnection?: boolean | 'perhaps';
  /**
   * The call failed because there was no connection to send it on. The failure counts, its duration does not. A probe is
   * given back.
   */
  readonly notSent?: boolean;
  /** The call began before its server's first answer on the connection. A failure counts, the duration does not. */
  readonly connecting?: boolean;
  /**
   * The process's own event loop stood still for a good part of the call. Neither the duration nor a failure counts. Set this on
   * a failure only if it is a time-out.
   */
  readonly stalled?: boolean;
}

/** Whether the duration of such a call is a latency of the server. */
export function isLatency({ lostConnection = false, notSent, connecting, stalled }: Circumstances): boolean {
  return lostConnection === false && notSent !== true && connecting !== true && stalled !== true;
}
