/**
 * The port to listen on: 0 is any free one. An empty variable counts as none, as shells have it.
 * @throws RangeError for what is no port
 */
export function portFrom(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new RangeError(`PORT: expected an integer from 0 to 65535, got ${JSON.stringify(text)}`);
  return port;
}
