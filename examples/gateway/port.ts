/**
 * Reads the port to listen on; 0 means any free port. An empty text counts as not set, as in a shell.
 * @throws RangeError for anything but a port
 */
export function portFrom(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new RangeError(`PORT: expected an integer from 0 to 65535, got ${JSON.stringify(text)}`);
  return port;
}
