import { randomBytes } from 'node:crypto';
import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import { invalid } from '../../errors.js';

/** The default of `vary`: the metadata keys by which callers differ. */
export const DEFAULT_VARY: readonly string[] = ['authorization'];

/** The global property that holds the names of per-call credentials: all copies of the package in a process share it. */
const CREDENTIAL_NAMES = Symbol.for('failsoft.credential-names');

/**
 * The identity of a caller as a string: all values of the `vary` metadata, and the call credentials. Two callers have the same
 * identity only if all of these are the same. A missing key differs from an empty value.
 */
export class CallerIdentity {
  readonly #vary: readonly string[];

  /** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
  constructor(vary: readonly string[], field: string) {
    if (!Array.isArray(vary)) throw invalid(field, 'an array of metadata keys', vary);
    for (const [index, key] of vary.entries()) {
      if (typeof key !== 'string' || !/^[0-9a-z_.-]+$/.test(key))
        throw invalid(`${field}[${index}]`, 'a metadata key in lower case', key);
    }
    this.#vary = [...new Set(vary)].sort();
  }

  /** Whether callers differ by their metadata at all. */
  get readsMetadata(): boolean {
    return this.#vary.length > 0;
  }

  of(metadata: Metadata, credentials: CallCredentials | undefined): string {
    let identity = credentials === undefined ? '' : nameOf(credentials);
    for (const key of this.#vary) {
      const values = metadata.get(key);
      identity += `;${values.length}`;
      // Lengths go first, so that one value never equals two values.
      for (const value of values) {
        const text = typeof value === 'string' ? value : value.toString('base64');
        identity += `,${typeof value === 'string' ? 's' : 'b'}${text.length}:${text}`;
      }
    }
    return identity;
  }

  /** Whether two sets of metadata have the same values of all `vary` keys. */
  isSame(a: Metadata, b: Metadata): boolean {
    return this.#vary.every((key) => areSame(a.get(key), b.get(key)));
  }
}

type Values = ReturnType<Metadata['get']>;

function areSame(a: Values, b: Values): boolean {
  return a.length === b.length && a.every((value, index) => isSameValue(value, b[index]));
}

function isSameValue(a: Values[number], b: Values[number] | undefined): boolean {
  return typeof a === 'string' || !Buffer.isBuffer(b) ? a === b : a.equals(b);
}

/** A random name for each object: credentials cannot be compared, and mean nothing to another process. */
function nameOf(credentials: CallCredentials): string {
  const names = credentialNames();
  const known = names.get(credentials);
  if (known !== undefined) return known;
  const name = randomBytes(16).toString('base64');
  names.set(credentials, name);
  return name;
}

function credentialNames(): WeakMap<CallCredentials, string> {
  const known: unknown = Reflect.get(globalThis, CREDENTIAL_NAMES);
  if (known instanceof WeakMap) return known;
  const made = new WeakMap<CallCredentials, string>();
  Object.defineProperty(globalThis, CREDENTIAL_NAMES, { value: made });
  return made;
}
