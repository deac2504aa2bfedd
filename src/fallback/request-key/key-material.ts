import { createHash, hash } from 'node:crypto';
import type { Method } from '../strategy.js';
import { isRounded, sortMaps } from './canonical.js';

/** Everything that a key is made from. It is taken from a call at once, so that later changes by the caller have no effect. */
export interface KeyMaterial {
  readonly method: Method<unknown, unknown>;
  /** Everything but the request: see {@link scopeOf}. */
  readonly scope: string;
  /** The user's key, or the request's bytes with maps in the order in which they came. */
  readonly subject: string | Buffer;
}

/** The facts, beside caller and request, that decide which answers may be given. */
export interface KeyPlace {
  /** Of a store that several users share. */
  readonly namespace: string;
  /** Target, method and key part. */
  readonly circuitKey: string;
  readonly method: string;
  readonly host: string | undefined;
}

/** A place as one text. No two places have the same text, and no place's text begins with that of another. */
export function placeOf({ namespace, circuitKey, method, host }: KeyPlace): string {
  const authority = host === undefined ? '-' : measured(host);
  // `join()` and not `+`: the text is hashed again and again, and a sum stays a tree of parts that each hashing walks through.
  return [measured(namespace), measured(circuitKey), measured(method), authority].join('');
}

/** A place and a caller as one text, with the same two properties, so that an answer of one scope is never given in another. */
export function scopeOf(place: string, identity: string): string {
  return place + measured(identity);
}

/**
 * A text behind its length, so that nothing within it can look like the next part. A text with a lone surrogate is written
 * by its UTF-16 units: in UTF-8, in which texts are hashed, all lone surrogates are the same.
 */
function measured(text: string): string {
  return text.isWellFormed() ? `${text.length}:${text}` : `u${text.length}:${unitsOf(text)}`;
}

function unitsOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('latin1');
}

/** Above this, hashing the bytes themselves is cheaper than putting them into a text first. */
const LONGEST_IN_TEXT = 2_048;

/** A text of fixed length that two materials share only when they are the same. */
export function digest({ scope, subject }: KeyMaterial): string {
  if (typeof subject === 'string') return hash('sha256', `${scope}k${unitsOf(subject)}`, 'hex');
  if (subject.length <= LONGEST_IN_TEXT)
    return hash('sha256', `${scope}r${subject.toString('latin1')}`, 'hex');
  return createHash('sha256').update(`${scope}b`).update(subject).digest('hex');
}

/**
 * The material with its maps in canonical order. Returns the same object where the maps are in that order already, or where
 * sorting would lose the difference between two requests. A request longer than `longest` bytes stays as it was sent.
 */
export function canonical(material: KeyMaterial, longest: number): KeyMaterial {
  const { method, subject } = material;
  if (typeof subject === 'string' || subject.length > longest) return material;
  const request = method.requestDeserialize(subject);
  const sorted = method.requestSerialize(sortMaps(request));
  if (sorted.equals(subject) || isRounded(method, request, subject)) return material;
  return { ...material, subject: sorted };
}

/** Whether two materials are the same, without hashing them. */
export function isSameMaterial(a: KeyMaterial, b: KeyMaterial): boolean {
  if (a.scope !== b.scope) return false;
  if (typeof a.subject === 'string' || typeof b.subject === 'string') return a.subject === b.subject;
  return a.subject.equals(b.subject);
}
