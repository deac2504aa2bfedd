/**
 * The messages that a call has sent so far, for its fallbacks. They are kept as bytes, because the caller may change its objects
 * later. All of them are dropped if they exceed the limit, or if one cannot be serialized.
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
      this.#kept = undefined; // the real call ends with the same error, and the rest of the request alone is of no use
      return;
    }
    this.addBytes(bytes);
  }

  /** Adds a message that is encoded already. */
  addBytes(bytes: Uint8Array): void {
    const kept = bufferOf(bytes);
    this.#bytes += kept?.length ?? 0;
    // an encoder that returns no bytes: the real call fails for the same reason
    if (kept === undefined || this.#bytes > this.#limitBytes) this.#kept = undefined;
    else this.#kept?.push(kept);
  }

  /** The first message; undefined before it is sent, and after the messages were dropped. */
  get first(): Buffer | undefined {
    return this.#kept?.[0];
  }

  /** Decodes the messages; an empty list after they were dropped. */
  read(deserialize: (bytes: Buffer) => unknown): readonly unknown[] {
    return this.#kept?.map(deserialize) ?? [];
  }
}

/** Encoders may return any Uint8Array, and those without types anything. */
function bufferOf(bytes: Uint8Array | undefined): Buffer | undefined {
  if (Buffer.isBuffer(bytes)) return bytes;
  return bytes instanceof Uint8Array
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : undefined;
}
