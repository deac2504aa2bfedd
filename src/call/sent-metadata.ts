import { Metadata } from '@grpc/grpc-js';

export type Headers = ReturnType<Metadata['toHttp2Headers']>;

/**
 * Called with metadata from which headers were made, without the part that call credentials have added, and with the headers.
 * grpc-js adds `:path` to the headers when it sends them.
 */
export type OnHeaders = (metadata: Metadata, headers: Headers) => void;

/**
 * Metadata for a real call. `onHeaders` is called whenever headers are made from them or from a copy, for each attempt of a retry
 * and through a second guard, with everything that the interceptors behind the guard have changed.
 *
 * If an interceptor makes new metadata, `onHeaders` is not called, and the metadata that were sent stay unknown.
 */
export function watchedMetadata(metadata: Metadata, onHeaders: OnHeaders): Metadata {
  const listeners = metadata instanceof WatchedMetadata ? [...metadata.listeners, onHeaders] : [onHeaders];
  return new WatchedMetadata(metadata, listeners);
}

class WatchedMetadata extends Metadata {
  readonly #listeners: readonly OnHeaders[];
  /** The content before the first merge. grpc-js merges the call credentials' part into its last copy. */
  #unmerged: Metadata | undefined;

  constructor(from: Metadata, listeners: readonly OnHeaders[]) {
    super(from.getOptions());
    super.merge(from);
    this.#listeners = listeners;
  }

  get listeners(): readonly OnHeaders[] {
    return this.#listeners;
  }

  override clone(): Metadata {
    return new WatchedMetadata(super.clone(), this.#listeners);
  }

  override merge(other: Metadata): void {
    this.#unmerged ??= super.clone();
    super.merge(other);
  }

  override toHttp2Headers(): Headers {
    const headers = super.toHttp2Headers();
    for (const listener of this.#listeners) listener(this.#unmerged ?? this, headers);
    return headers;
  }
}
