/**
 * What a call has sent so far, for its fallback: kept as bytes, so that nothing the caller does to a message later
 * changes it, and dropped as a whole when it grows past the limit or cannot be serialized.
 */
export class SentMessages {
  readonly #serialize: (message: unknown) => Buffer;
  readonly #limitBytes: number;
  #kept: Buffer[] | undefined = [];
  #bytes = 0;

  constructor(serialize: (message: unknown) => Buffer, limitBytes: number) {
    this.#serialize = serialize;
    this.#limitBytes = limitBytes;
  }

  add(message: unknown): void {
    if (this.#kept === undefined) return;
    let bytes: Buffer;
    try {
      bytes = this.#serialize(message);
    } catch {
      this.#kept = undefined; // the real call meets the same error and ends with it; part of a request is none
      return;
    }
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limitBytes) this.#kept = undefined;
    else this.#kept.push(bytes);
  }

  /** The first message; undefined if there is none, or they were too many. */
  get first(): Buffer | undefined {
    return this.#kept?.[0];
  }

  /** The messages, or none if they were too many. */
  read(deserialize: (bytes: Buffer) => unknown): readonly unknown[] {
    return this.#kept?.map(deserialize) ?? [];
  }
}
