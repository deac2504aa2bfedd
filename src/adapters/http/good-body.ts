import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { OpenCall } from '../../call/neutral/open-call.js';
import { commonStatusOf } from '../../call/neutral/thrown-status.js';
import type { Outcome } from '../../classify/outcome.js';
import { metadataOf } from './headers.js';
import { answerOf } from './http-message.js';

/** Called for the events of a response's body. One of `onEnd`, `onError` and `onCancel` is called, once. */
export interface BodyWatch {
  /** @param waitedMs how long the caller waited for it */
  onChunk(chunk: Uint8Array, waitedMs: number): void;
  onEnd(): void;
  onError(error: unknown): void;
  /** The caller has cancelled the body. */
  onCancel(): void;
  /** No chunk came in time while the caller was reading. */
  onStalled(): unknown;
  /**
   * Nothing has happened for a long time. The body goes on.
   * @param unread whether chunks are there that the caller does not read
   */
  onIdle(unread: boolean): void;
}

/** The largest body that is kept for `lastGood()`, in bytes. */
const LARGEST_KEPT = 1_048_576;

const OK: StatusObject = Object.freeze({ code: status.OK, details: '', metadata: new Metadata() });

/** What ended a request early: its caller, its caller's time limit, or a limit of the guard. Undefined while nothing has. */
export type EndedBy = 'caller' | 'time' | 'limit' | undefined;

/** The head of a good response. */
export interface GoodHead {
  readonly status: number;
  readonly headers: Iterable<[string, string]> & { get(name: string): string | null };
}

/** The request of a body. */
export interface BodyOwner {
  readonly call: OpenCall;
  readonly endedBy: EndedBy;
  /** The outcome by the user's function. */
  readonly judged: Outcome | undefined;
  /** Frees the timer and the caller's signal. */
  release(): void;
}

/** The body of a good response: its end is the end of the call, so a body that breaks is a failure. */
export class GoodBody implements BodyWatch {
  private readonly owner: BodyOwner;
  private readonly head: GoodHead;
  private readonly isEvents: boolean;
  private waitedMs: number;
  /** Chunks for strategies that keep answers; undefined where nothing is kept. */
  private kept: Uint8Array[] | undefined;
  private keptBytes = 0;

  /** @param waitedMs how long the caller has waited for the headers, or the first event */
  constructor(owner: BodyOwner, head: GoodHead, isEvents: boolean, waitedMs: number) {
    this.owner = owner;
    this.head = head;
    this.isEvents = isEvents;
    this.waitedMs = waitedMs;
    this.kept = !isEvents && owner.call.keeps && mayKeep(head) ? [] : undefined;
  }

  onChunk(chunk: Uint8Array, waitedMs: number): void {
    const { call, judged } = this.owner;
    // as of a gRPC stream: the longest wait of the reader
    this.waitedMs = this.isEvents ? Math.max(this.waitedMs, waitedMs) : this.waitedMs + waitedMs;
    // a long body would exceed a probe's time limit
    if (call.isProbe) call.settle(judged ?? 'success', this.waitedMs);
    if (this.kept === undefined) return;
    this.keptBytes += chunk.byteLength;
    if (this.keptBytes > LARGEST_KEPT) this.kept = undefined;
    else this.kept.push(Uint8Array.from(chunk)); // the caller may change its own
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
    const received = endedBy === undefined ? commonStatusOf(error) : expired('the body did not end in time');
    // whatever its text: the server had answered, and the connection broke
    this.fail(received.code === status.UNKNOWN ? { ...received, code: status.UNAVAILABLE } : received);
  }

  onCancel(): void {
    const { call } = this.owner;
    call.settle('ignored', 0);
    call.gaveOwn('ignored', status.CANCELLED);
    this.owner.release();
  }

  onStalled(): unknown {
    const { stallTimeoutMs } = this.owner.call.limits;
    const received = expired(`failsoft: no further event within ${stallTimeoutMs} ms`);
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
      this.owner.call.keep(answer, metadataOf(head.headers));
    } catch (error) {
      this.owner.call.report(error, 'an answer that was to be kept');
    }
  }
}

/**
 * Whether a response answers every request with the same URL and body. A part of a document (206), "not modified" and a redirect
 * answer the headers of one request. `Vary: *` means that every request may need an answer of its own.
 */
function mayKeep({ status: code, headers }: GoodHead): boolean {
  const isWhole = code >= 200 && code < 300 && code !== 206;
  return isWhole && !/\bno-store\b/i.test(headers.get('cache-control') ?? '') && headers.get('vary') !== '*';
}

export function expired(details: string): StatusObject {
  return { code: status.DEADLINE_EXCEEDED, details, metadata: new Metadata() };
}
