/**
 * Remembers the result of `read` until the running code has returned (a microtask forgets it), because the metrics of a scrape are
 * collected without a pause.
 */
export function onceATurn<T>(read: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => {
    if (known === undefined) {
      known = { value: read() };
      queueMicrotask(() => {
        known = undefined;
      });
    }
    return known.value;
  };
}
