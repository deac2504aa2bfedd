/** Thrown for a request that the model cannot process. The preset gives the status. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
}
