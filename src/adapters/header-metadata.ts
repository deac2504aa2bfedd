import type { Metadata } from '@grpc/grpc-js';

/**
 * Adds a header to metadata. A name that metadata refuse is left out. A value that metadata refuse is percent-encoded, so that two
 * different values stay different.
 * @param name in lower case
 * @param encoding how the protocol writes the bytes of a header whose name ends in `-bin`
 */
export function addHeader(
  metadata: Metadata,
  name: string,
  value: string,
  encoding: 'base64' | 'utf8',
): void {
  if (!/^[0-9a-z_.-]+$/.test(name)) return;
  if (name.endsWith('-bin')) metadata.add(name, Buffer.from(value, encoding));
  else metadata.add(name, /^[ -~]*$/.test(value) ? value : encodeURIComponent(value.toWellFormed()));
}
