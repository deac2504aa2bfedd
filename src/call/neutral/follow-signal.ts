/** The calls that follow the same signal, and the listener that they share. */
interface Followers {
  readonly all: Set<() => void>;
  readonly listener: () => void;
}

const known = new WeakMap<AbortSignal, Followers>();

/**
 * Calls `onAbort` when a caller's signal aborts. All calls with the same signal share a single listener, because Node warns of a
 * leak if a signal has more than ten, and many calls may share the signal of a request or of the process.
 * @param onAbort must not throw
 * @returns a function that stops following
 */
export function followSignal(signal: AbortSignal, onAbort: () => void): () => void {
  const followers = known.get(signal) ?? begin(signal);
  followers.all.add(onAbort);
  return () => {
    if (!followers.all.delete(onAbort) || followers.all.size > 0) return;
    signal.removeEventListener('abort', followers.listener);
    known.delete(signal);
  };
}

function begin(signal: AbortSignal): Followers {
  const all = new Set<() => void>();
  // a copy, because the end of a call may end or begin another call
  const listener = () => {
    for (const onAbort of [...all]) if (all.has(onAbort)) onAbort();
  };
  const followers = { all, listener };
  signal.addEventListener('abort', listener);
  known.set(signal, followers);
  return followers;
}
