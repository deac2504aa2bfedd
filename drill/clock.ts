/**
 * Milliseconds on a clock that all processes of this machine share and that cannot be set (`process.hrtime`), so that the notes of
 * clients and servers can be put side by side.
 */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Resolves at a moment of {@link machineMs}. */
export function until(atMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - machineMs())));
}
