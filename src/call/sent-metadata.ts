import { Metadata } from '@grpc/grpc-js';

/** Gets the metadata of a real call as they go out: without those that call credentials add. */
export type OnSent = (sent: Metadata) => void;

/**
 * grpc-js copies a call's metadata when the call starts, and again for each attempt to send it; it merges what call credentials
 * add into the second copy, and makes the headers from it.
 */
const COPIES_OF_GRPC_JS = 2;

/**
 * Metadata for a real call. `onSent` is called each time that a copy of them goes out, with everything that the interceptors
 * behind the guard have changed in them or in a copy: for each attempt of a retry, and through a second guard.
 *
 * It is not called for metadata that an interceptor makes anew. Then nothing shows what was sent.
 */
export function watchedMetadata(metadata: Metadata, onSent: OnSent): Metadata {
  const listeners = metadata instanceof WatchedMetadata ? [...metadata.listeners, onSent] : [onSent];
  return new WatchedMetadata(metadata, listeners, 0);
}

class WatchedMetadata extends Metadata {
  readonly #listeners: readonly OnSent[];
  /** How often a copy was made of a copy, beginning with the metadata that the guard hands out. */
  readonly #copies: number;
  /** The content before the first merge: in grpc-js's last copy, before the call credentials' part. */
  #unmerged: Metadata | undefined;

  constructor(from: Metadata, listeners: readonly OnSent[], copies: number) {
    super(from.getOptions());
    super.merge(from);
    this.#listeners = listeners;
    this.#copies = copies;
  }

  get listeners(): readonly OnSent[] {
    return this.#listeners;
  }

  override clone(): Metadata {
    return new WatchedMetadata(super.clone(), this.#listeners, this.#copies + 1);
  }

  override merge(other: Metadata): void {
    this.#unmerged ??= super.clone();
    super.merge(other);
  }

  override toHttp2Headers(): ReturnType<Metadata['toHttp2Headers']> {
    // An interceptor that shows its metadata in a log makes headers of them, too.
    if (this.#copies >= COPIES_OF_GRPC_JS)
      for (const listener of this.#listeners) listener(this.#unmerged ?? this);
    return super.toHttp2Headers();
  }
}
