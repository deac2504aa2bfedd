/** The calls that follow a signal, with their one listener. */
interface Followers {
  readonly all: Set<() => void>;
  readonly listener: () => void;
}

const known = new WeakMap<AbortSignal, Followers>();

/**
 * Calls `onAbort` when a caller's signal aborts. All calls with a signal share one listener: Node reports a leak where a signal has
 * more than ten, and many calls may end with one request or one process.
 * @param onAbort must not throw
 * @returns a function that ends it
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
  // a copy: a call may end, or begin, because of another one's end
  const listener = () => {
    for (const onAbort of [...all]) if (all.has(onAbort)) onAbort();
  };
  const followers = { all, listener };
  signal.addEventListener('abort', listener);
  known.set(signal, followers);
  return followers;
}
