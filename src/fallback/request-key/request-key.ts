import type { Metadata } from '@grpc/grpc-js';
import { checkFunction, checkInteger } from '../../checks.js';
import { invalid } from '../../errors.js';
import type { CallFacts, Method } from '../strategy.js';
import { CallerIdentity, DEFAULT_VARY } from './caller-identity.js';
import { isRounded } from './canonical.js';
import { canonical, digest, type KeyMaterial, type KeyPlace, placeOf, scopeOf } from './key-material.js';

/**
 * The options that decide whether two calls are the same. They are the same only if their target, method and key part (the
 * whole circuit key), their `host`, their caller and their request are the same.
 */
export interface RequestKeyOptions<Req> {
  /**
   * Gives a request a text: requests with the same text share an answer. If it names its second parameter, an answer is kept only if
   * the metadata that were sent give the same text. @default the whole request, in canonical protobuf bytes
   */
  readonly keyOf?: (request: Req, metadata: Metadata) => string;
  /**
   * Changes a request so that requests which should have the same answer become equal: removes an id, or rounds a feature. Each
   * call then costs a decoding and an encoding more. @default no change
   */
  readonly normalize?: (request: Req) => Req;
  /**
   * Metadata keys by which callers differ. Their values are hashed into the key, so that no caller gets another caller's
   * answer. An empty list shares answers among all callers. @default ['authorization']
   */
  readonly vary?: readonly string[];
  /**
   * Separates users of a shared store for whom the same request means different things: production and staging, two versions
   * of a schema. @default ''
   */
  readonly namespace?: string;
  /**
   * The longest request, in encoded bytes, whose map entries are sorted before the comparison. A longer request is compared as it
   * was sent: two requests with equal maps then count as different where the maps were filled in different orders.
   * @default 65536
   */
  readonly maxCanonicalBytes?: number;
}

export const REQUEST_KEY_OPTIONS = ['keyOf', 'normalize', 'vary', 'namespace', 'maxCanonicalBytes'] as const;

/** A call from which a key can be made. */
export type KeyedCall = Pick<
  CallFacts<unknown>,
  'method' | 'circuitKey' | 'request' | 'requestBytes' | 'metadata' | 'credentials' | 'host'
>;

/** Makes keys: text of fixed length, from the circuit's key, host, caller and request. */
export class RequestKey {
  readonly #identity: CallerIdentity;
  readonly #keyOf: ((request: unknown, metadata: Metadata) => string) | undefined;
  readonly #normalize: ((request: unknown) => unknown) | undefined;
  readonly #namespace: string;
  readonly #maxCanonicalBytes: number;
  readonly #methods = new Map<string, Method<unknown, unknown>>();
  #lastPlace: (Omit<KeyPlace, 'namespace'> & { readonly text: string }) | undefined;

  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
  constructor(options: LooseOptions, field: string) {
    const { vary = DEFAULT_VARY, namespace = '', maxCanonicalBytes = 65_536 } = options;
    this.#identity = new CallerIdentity(vary, `${field}.vary`);
    this.#keyOf = options.keyOf && checkFunction(`${field}.keyOf`, options.keyOf);
    this.#normalize = options.normalize && checkFunction(`${field}.normalize`, options.normalize);
    if (typeof namespace !== 'string') throw invalid(`${field}.namespace`, 'a string', namespace);
    this.#namespace = namespace;
    this.#maxCanonicalBytes = checkInteger(`${field}.maxCanonicalBytes`, maxCanonicalBytes, 0);
  }

  /** Adds a method, so that its calls get keys. */
  bind(method: Method<unknown, unknown>): void {
    this.#methods.set(method.path, method);
  }

  /** @throws the errors of `keyOf`, `normalize` and the method's encoder */
  materialOf(call: KeyedCall): KeyMaterial {
    const method = this.#methods.get(call.method);
    if (method === undefined) throw invalid('method', 'a method that was bound', call.method);
    const scope = scopeOf(this.#placeOf(call), this.#identity.of(call.metadata, call.credentials));
    if (this.#keyOf === undefined) return { method, scope, subject: this.#bytesOf(call, method) };
    const key: unknown = this.#keyOf(call.request, call.metadata);
    if (typeof key !== 'string') throw invalid('keyOf', 'a string', key);
    return { method, scope, subject: key };
  }

  /** Whether two metadata belong to the same caller, by the `vary` keys. */
  isSameCaller(a: Metadata, b: Metadata): boolean {
    return this.#identity.isSame(a, b);
  }

  /** Whether the key of a call stays the same if the call is sent with these metadata. @throws the errors of `keyOf` */
  isSameWith(call: Pick<KeyedCall, 'request' | 'metadata'>, sent: Metadata): boolean {
    const { metadata } = call;
    if (metadata === sent) return true;
    if (!this.isSameCaller(metadata, sent)) return false;
    if (this.#keyOf === undefined || !this.#keyOfReadsMetadata) return true;
    const { request } = call;
    return this.#keyOf(request, metadata) === this.#keyOf(request, sent);
  }

  /** Whether calls differ by their metadata at all. */
  get readsMetadata(): boolean {
    return this.#identity.readsMetadata || this.#keyOfReadsMetadata;
  }

  /** Whether `keyOf` names its second parameter, the metadata. */
  get #keyOfReadsMetadata(): boolean {
    return this.#keyOf !== undefined && this.#keyOf.length > 1;
  }

  /** Whether the request is a part of the key and longer than `bytes`: then the key would take long to make. */
  isLonger({ requestBytes }: KeyedCall, bytes: number): boolean {
    return this.#keyOf === undefined && requestBytes !== undefined && requestBytes.length > bytes;
  }

  /**
   * The key of a call. Most requests come in canonical order already, so the request is sorted only where the key of its bytes as
   * they were sent is not known.
   */
  keyOf(material: KeyMaterial, isKnown: (asSent: string) => boolean): string {
    const asSent = digest(material);
    if (isKnown(asSent)) return asSent;
    const sorted = canonical(material, this.#maxCanonicalBytes);
    return sorted === material ? asSent : digest(sorted);
  }

  /** Remembers the last place, because many calls in a row are of the same model. */
  #placeOf({ circuitKey, method, host }: KeyedCall): string {
    const last = this.#lastPlace;
    if (last?.circuitKey === circuitKey && last.method === method && last.host === host) return last.text;
    const text = placeOf({ namespace: this.#namespace, circuitKey, method, host });
    this.#lastPlace = { circuitKey, method, host, text };
    return text;
  }

  #bytesOf(call: KeyedCall, method: Method<unknown, unknown>): Buffer {
    const { requestBytes: bytes } = call;
    if (this.#normalize === undefined) return bytes ?? method.requestSerialize(call.request);
    // With a copy: a function that changes its argument must not change the request of other strategies.
    if (bytes === undefined) return method.requestSerialize(this.#normalize(call.request));
    const request = method.requestDeserialize(bytes);
    const rounded = isRounded(method, request, bytes);
    const normalized = method.requestSerialize(this.#normalize(request));
    return rounded ? Buffer.concat([normalized, bytes]) : normalized;
  }
}

/** Its functions are declared as methods, so that options for requests of any type can be assigned to it. */
interface LooseOptions {
  keyOf?(request: unknown, metadata: Metadata): string;
  normalize?(request: unknown): unknown;
  readonly vary?: readonly string[];
  readonly namespace?: string;
  readonly maxCanonicalBytes?: number;
}
