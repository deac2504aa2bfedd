/** A request that the model cannot take; the preset gives it a status. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
}
