/** The model cannot process the request. The preset gives the status. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
}
