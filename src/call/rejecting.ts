import type { InterceptingListener, InterceptorOptions } from '@grpc/grpc-js';
import { rejectionStatus } from '../status/rejection.js';
import type { RejectedBy } from './permits.js';

/** A call that was not admitted, and that no fallback answers. */
interface RejectedCall {
  readonly options: InterceptorOptions;
  /** Ends it. Its caller's listener, if that still waits. */
  endRejected(): Partial<InterceptingListener> | undefined;
}

/** In as few frames as can be: most of what a rejection costs is grpc-js writing down the stack of its error. */
export function giveRejection(call: RejectedCall, { entry, rejection }: RejectedBy): void {
  const listener = call.endRejected();
  if (listener === undefined) return;
  if (!call.options.method_definition.responseStream) listener.onReceiveMessage?.(null);
  listener.onReceiveStatus?.(rejectionStatus(entry.key, rejection));
}
