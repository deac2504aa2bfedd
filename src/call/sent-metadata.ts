import { Metadata } from '@grpc/grpc-js';

export type Headers = ReturnType<Metadata['toHttp2Headers']>;

/**
 * Gets metadata of which headers were made, without the part that call credentials have added, and the headers. grpc-js adds
 * `:path` to the headers when it sends them.
 */
export type OnHeaders = (metadata: Metadata, headers: Headers) => void;

/**
 * Metadata for a real call. `onHeaders` is called each time that headers are made of them, or of a copy, with everything that the
 * interceptors behind the guard have changed: for each attempt of a retry, and through a second guard.
 *
 * It is not called for metadata that an interceptor makes anew. Then nothing shows what was sent.
 */
export function watchedMetadata(metadata: Metadata, onHeaders: OnHeaders): Metadata {
  const listeners = metadata instanceof WatchedMetadata ? [...metadata.listeners, onHeaders] : [onHeaders];
  return new WatchedMetadata(metadata, listeners);
}

class WatchedMetadata extends Metadata {
  readonly #listeners: readonly OnHeaders[];
  /** The content before the first merge: in grpc-js's last copy, before the call credentials' part. */
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
