import {
  InterceptingCall,
  type InterceptingListener,
  type InterceptorOptions,
  type Metadata,
  type NextCall,
  type StatusObject,
} from '@grpc/grpc-js';
import type { FallbackChain } from '../fallback/chain/chain.js';
import type { MethodGuard } from './method-guard.js';
import type { SentMessages } from './sent-messages.js';

export type RealCall = ReturnType<NextCall>;

/**
 * - `waiting`: started by the caller, but the first message says which circuit is asked
 * - `calling`: admitted, the real call runs
 * - `answering`: rejected or failed, `Answering` has taken over
 * - `done`: the caller has its status, or it is on the way
 */
type Phase = 'new' | 'waiting' | 'calling' | 'answering' | 'done';

/** The base class forwards to a call; all that would is overridden, so there is none. */
const NO_CALL: RealCall = Object.create(null);

/** Of a call that has none, or is not started. */
export const NO_LISTENER: Partial<InterceptingListener> = Object.freeze({});

/** What the caller of a guarded call is given of the real one, and what is held back while a fallback may replace it. */
export abstract class DeliveringCall extends InterceptingCall {
  readonly guard: MethodGuard;
  readonly options: InterceptorOptions;
  /** Undefined when this call has no fallbacks. */
  readonly chain: FallbackChain | undefined;

  listener: Partial<InterceptingListener> = NO_LISTENER;
  protected phase: Phase = 'new';
  /** Of a call that a fallback may still answer. */
  protected sent: SentMessages | undefined;
  protected delivered = false;
  protected heldMetadata: Metadata | undefined;
  protected heldMessage: unknown;
  /** How a stream goes on whose first message no fallback could replace. */
  protected goOn: (() => void) | undefined;

  constructor(guard: MethodGuard, options: InterceptorOptions, chain: FallbackChain | undefined) {
    super(NO_CALL);
    this.guard = guard;
    this.options = options;
    this.chain = chain;
  }

  /** All that the server said, in the order in which it came. */
  passOn(received: StatusObject): void {
    const { goOn } = this;
    if (goOn !== undefined) {
      this.goOn = undefined;
      return goOn();
    }
    try {
      this.releaseMetadata();
    } finally {
      // A caller's own listener that throws does not keep them from the end of their call: it would not without a guard.
      if (this.heldMessage !== undefined && !this.delivered) this.deliver(this.heldMessage);
      else if (!this.delivered && !this.options.method_definition.responseStream)
        this.listener.onReceiveMessage?.(null);
      this.phase = 'done';
      this.listener.onReceiveStatus?.(received);
    }
  }

  protected deliver(message: unknown): void {
    try {
      this.releaseMetadata();
    } finally {
      this.delivered = true;
      this.sent = undefined; // no fallback from here on
      this.listener.onReceiveMessage?.(message);
    }
  }

  protected releaseMetadata(): void {
    const metadata = this.heldMetadata;
    if (metadata === undefined) return;
    this.heldMetadata = undefined;
    this.listener.onReceiveMetadata?.(metadata);
  }

  protected servesFailures(): boolean {
    return this.chain?.serves('failed') === true;
  }
}
