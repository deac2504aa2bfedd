import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { OpenCall } from '../../call/neutral/open-call.js';
import { commonStatusOf } from '../../call/neutral/thrown-status.js';
import type { Outcome } from '../../classify/outcome.js';
import { expiredStatus } from '../../status/expired-status.js';
import { type EndedBy, leave } from './early-end.js';
import { metadataOf } from './headers.js';
import { answerOf } from './http-message.js';

/** Called for the events of a response's body. Of `onEnd`, `onError` and `onCancel` only one is called, once. */
export interface BodyWatch {
  /** @param waitedMs how long the caller waited for the chunk, in milliseconds */
  onChunk(chunk: Uint8Array, waitedMs: number): void;
  onEnd(): void;
  onError(error: unknown): void;
  /** The caller has cancelled the body. */
  onCancel(): void;
  /** No chunk came in time while the caller was reading. @returns the error for the caller */
  onStalled(): unknown;
  /**
   * No chunk has come or was read for a long time. The body goes on.
   * @param unread whether chunks wait that the caller does not read
   */
  onIdle(unread: boolean): void;
}

/** The largest body that is kept for `lastGood()`, in bytes. */
const LARGEST_KEPT = 1_048_576;

const OK: StatusObject = Object.freeze({ code: status.OK, details: '', metadata: new Metadata() });

/** The head of a good response. */
export interface GoodHead {
  readonly status: number;
  readonly headers: Iterable<[string, string]> & { get(name: string): string | null };
  /** Whether the body is passed on compressed. Without its `content-encoding` nobody could read it. @default false */
  readonly isCompressed?: boolean;
}

/** The request of a body. */
export interface BodyOwner {
  readonly call: OpenCall;
  readonly endedBy: EndedBy;
  /** The outcome that the user's function gave. */
  readonly judged: Outcome | undefined;
  /** Whether the request was certainly sent with the caller's headers. */
  readonly sendsAsGiven: boolean;
  /** Frees the timer and the caller's signal. */
  release(): void;
}

/** The body of a good response. The call ends with the body, so a body that breaks is a failure. */
export class GoodBody implements BodyWatch {
  private readonly owner: BodyOwner;
  private readonly head: GoodHead;
  private readonly isEvents: boolean;
  private waitedMs: number;
  /** Chunks for strategies that keep answers; undefined where nothing is kept. */
  private kept: Uint8Array[] | undefined;
  private keptBytes = 0;

  /** @param waitedMs how long the caller has waited for the headers, or the first event, in milliseconds */
  constructor(owner: BodyOwner, head: GoodHead, isEvents: boolean, waitedMs: number) {
    this.owner = owner;
    this.head = head;
    this.isEvents = isEvents;
    this.waitedMs = waitedMs;
    this.kept = !isEvents && owner.call.keeps && mayKeep(head) ? [] : undefined;
  }

  onChunk(chunk: Uint8Array, waitedMs: number): void {
    const { call, judged } = this.owner;
    // for events the longest wait of the reader, as for a gRPC stream; for documents the sum
    this.waitedMs = this.isEvents ? Math.max(this.waitedMs, waitedMs) : this.waitedMs + waitedMs;
    // a probe is settled at its first chunk: a long body would exceed its time limit
    if (call.isProbe) call.settle(judged ?? 'success', this.waitedMs);
    if (this.kept === undefined) return;
    this.keptBytes += chunk.byteLength;
    if (this.keptBytes > LARGEST_KEPT) this.kept = undefined;
    else this.kept.push(Uint8Array.from(chunk)); // a copy: the caller may change its chunk
  }

  onEnd(): void {
    const { call, judged } = this.owner;
    const outcome = call.conclude(OK, judged, this.waitedMs);
    if (outcome === 'success') this.keep();
    call.gaveOwn(outcome, status.OK);
    this.owner.release();
  }

  onError(error: unknown): void {
    const { endedBy } = this.owner;
    if (endedBy === 'caller') return this.onCancel();
    const received =
      endedBy === undefined ? commonStatusOf(error) : expiredStatus('the body did not end in time');
    // an unknown error is UNAVAILABLE: the server had answered, and the connection broke
    this.fail(received.code === status.UNKNOWN ? { ...received, code: status.UNAVAILABLE } : received);
  }

  onCancel(): void {
    leave(this.owner.call);
    this.owner.release();
  }

  onStalled(): unknown {
    const { stallTimeoutMs } = this.owner.call.limits;
    const received = expiredStatus(`failsoft: no further event within ${stallTimeoutMs} ms`);
    this.fail(received);
    return new DOMException(received.details, 'TimeoutError');
  }

  onIdle(unread: boolean): void {
    // a server whose good answer is not read has done its part
    this.owner.call.settle(this.owner.judged ?? (unread ? 'success' : 'ignored'), this.waitedMs);
  }

  private fail(received: StatusObject): void {
    const { call } = this.owner;
    call.gaveOwn(call.conclude(received, undefined, this.waitedMs), received.code);
    this.owner.release();
  }

  private keep(): void {
    const { kept, head } = this;
    if (kept === undefined) return;
    try {
      const type = head.headers.get('content-type') ?? '';
      const answer = answerOf(head.status, type, Buffer.concat(kept));
      const { call, sendsAsGiven } = this.owner;
      call.keep(answer, metadataOf(head.headers), sendsAsGiven ? undefined : []);
    } catch (error) {
      this.owner.call.report(error, 'an answer that was to be kept');
    }
  }
}

/**
 * Whether a response may be kept for every request with the same URL and body (RFC 9111). A part of a document (206), "not modified"
 * and a redirect depend on the headers of their request; with `Vary: *` every request may need an answer of its own.
 */
function mayKeep({ status: code, headers, isCompressed = false }: GoodHead): boolean {
  const isWhole = code >= 200 && code < 300 && code !== 206 && !isCompressed;
  const varies = /(?:^|,)\s*\*\s*(?:,|$)/.test(headers.get('vary') ?? '');
  return isWhole && !varies && !/\bno-store\b/i.test(headers.get('cache-control') ?? '');
}
