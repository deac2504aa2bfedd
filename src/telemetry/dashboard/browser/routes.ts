/** The address of a circuit's own page. */
export function hashOf(id: string): string {
  return `#/circuit/${encodeURIComponent(id.toWellFormed())}`;
}

/** The circuit that the address names; undefined for the first page. */
export function circuitOf(hash: string): string | undefined {
  const [, encoded] = /^#\/circuit\/(.+)$/.exec(hash) ?? [];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
