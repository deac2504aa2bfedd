import { hash } from 'node:crypto';
import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import { checkFunction } from '../../checks.js';
import { invalid } from '../../errors.js';
import type { Method } from '../strategy.js';
import { CallerIdentity, DEFAULT_VARY } from './caller-identity.js';
import { mayBeRounded, sortMaps } from './canonical.js';

/** How calls are told apart. */
export interface RequestKeyOptions<Req> {
  /** The same text, the same answer. @default the whole request, in canonical protobuf bytes */
  readonly keyOf?: (request: Req, metadata: Metadata) => string;
  /** Makes requests equal that should have the same answer: blanks an id, rounds a feature. @default none */
  readonly normalize?: (request: Req) => Req;
  /**
   * Metadata keys that tell callers apart: their values are part of the key, hashed, so that no caller can be given
   * another's answer. An empty list shares answers among all callers. @default ['authorization']
   */
  readonly vary?: readonly string[];
}

export const REQUEST_KEY_OPTIONS = ['keyOf', 'normalize', 'vary'] as const;

/** A call, from which a key can be made. */
export interface KeyedCall {
  readonly method: string;
  /** The circuit's key, which begins with the target where targets are told apart. @default no target */
  readonly circuitKey?: string;
  readonly request: unknown;
  /** The request as it was sent. @default it is encoded */
  readonly requestBytes?: Buffer | undefined;
  readonly metadata: Metadata;
  readonly credentials?: CallCredentials | undefined;
}

/** What a key is made from, taken from a call at once: what the caller changes later does not change it. */
export interface KeyMaterial {
  readonly method: Method<unknown, unknown>;
  /** What `guard.forTarget()` named: another server's answer is another answer. */
  readonly target: string;
  readonly identity: string;
  /** The user's key, or the request's bytes with maps in the order in which they came. */
  readonly subject: string | Buffer;
}

/** Makes keys: text of fixed length, from method, caller and request. */
export class RequestKey {
  readonly #identity: CallerIdentity;
  readonly #keyOf: ((request: unknown, metadata: Metadata) => string) | undefined;
  readonly #normalize: ((request: unknown) => unknown) | undefined;
  readonly #methods = new Map<string, Method<unknown, unknown>>();

  constructor(options: LooseOptions, field: string) {
    this.#identity = new CallerIdentity(options.vary ?? DEFAULT_VARY, `${field}.vary`);
    this.#keyOf = options.keyOf && checkFunction(`${field}.keyOf`, options.keyOf);
    this.#normalize = options.normalize && checkFunction(`${field}.normalize`, options.normalize);
  }

  /** A method whose calls it is to make keys for. */
  bind(method: Method<unknown, unknown>): void {
    this.#methods.set(method.path, method);
  }

  /** @throws what `keyOf`, `normalize` and the method's encoder throw */
  materialOf(call: KeyedCall): KeyMaterial {
    const method = this.#methods.get(call.method);
    if (method === undefined) throw invalid('method', 'a method it is registered for', call.method);
    const target = targetOf(call);
    const identity = this.#identity.of(call.metadata, call.credentials);
    if (this.#keyOf !== undefined) {
      const key: unknown = this.#keyOf(call.request, call.metadata);
      if (typeof key !== 'string') throw invalid('keyOf', 'a string', key);
      return { method, target, identity, subject: key };
    }
    return { method, target, identity, subject: this.#bytesOf(call, method) };
  }

  #bytesOf(call: KeyedCall, method: Method<unknown, unknown>): Buffer {
    const { requestBytes: bytes } = call;
    if (this.#normalize === undefined) return bytes ?? method.requestSerialize(call.request);
    // On a copy of its own: one that changes what it is given must not change what other strategies see.
    if (bytes === undefined) return method.requestSerialize(this.#normalize(call.request));
    const request = method.requestDeserialize(bytes);
    const rounded = isRounded(method, request, bytes);
    const normalized = method.requestSerialize(this.#normalize(request));
    return rounded ? Buffer.concat([normalized, bytes]) : normalized;
  }
}

/** What stands before the method in a circuit's key. */
function targetOf({ circuitKey: key, method }: KeyedCall): string {
  const at = key === undefined ? 0 : key.indexOf(method);
  return key !== undefined && at > 0 ? key.slice(0, at) : '';
}

/** As methods, which options for requests of any type fit. */
interface LooseOptions {
  keyOf?(request: unknown, metadata: Metadata): string;
  normalize?(request: unknown): unknown;
  readonly vary?: readonly string[];
}

/** Whether a request has lost integers on its way through the method's decoder, so that others may look like it. */
export function isRounded(method: Method<unknown, unknown>, request: unknown, bytes: Buffer): boolean {
  return mayBeRounded(request) && !method.requestSerialize(request).equals(bytes);
}

/**
 * The material with its maps in canonical order; the same object where they are already, or where finding out would cost
 * the difference between two requests.
 */
export function canonical(material: KeyMaterial): KeyMaterial {
  const { method, subject } = material;
  if (typeof subject === 'string') return material;
  const request = method.requestDeserialize(subject);
  const sorted = method.requestSerialize(sortMaps(request));
  if (sorted.equals(subject) || isRounded(method, request, subject)) return material;
  return { ...material, subject: sorted };
}

/**
 * Every part has its length before it or comes last, so that no two materials hash the same text. Bytes go in as
 * characters (latin1), a user's key as those of its UTF-16: in UTF-8, lone surrogates would all be the same.
 */
export function digest({ method, target, identity, subject }: KeyMaterial): string {
  const path = target + method.path;
  const who = `${path.length}:${path}${identity.length}:${identity}`;
  const what =
    typeof subject === 'string'
      ? `k${Buffer.from(subject, 'utf16le').toString('latin1')}`
      : `r${subject.toString('latin1')}`;
  return hash('sha256', who + what, 'hex');
}
