import { Metadata } from '@grpc/grpc-js';

/** One symbol for every copy of failsoft in the process, ESM and CommonJS. It cannot cross the wire. */
const OWN = Symbol.for('failsoft.own-metadata');

/**
 * Metadata that a guard of this process made: the trailers of its rejections, the headers of its fallbacks' answers. grpc-js
 * passes the same object on in its ServiceError and its `'metadata'` event, and a clone keeps the mark. The same text from
 * another process becomes plain Metadata.
 */
export class OwnMetadata extends Metadata {
  get [OWN](): true {
    return true;
  }

  override clone(): Metadata {
    const copy = new OwnMetadata(this.getOptions());
    copy.merge(super.clone());
    return copy;
  }
}

/** Whether a guard of this process made the metadata, in any copy of failsoft. */
export function isOwn(metadata: unknown): metadata is Metadata {
  return typeof metadata === 'object' && metadata !== null && Reflect.get(metadata, OWN) === true;
}
