import { createHash } from 'node:crypto';
import { cut } from '../text.js';

/** The most UTF-16 units of a key part. */
const LONGEST_PART = 128;
const CUT_MARK = '~~';
/** 128 bits: a caller who chooses the names cannot find two names with the same hash. */
const HASH_DIGITS = 32;

/**
 * Turns a name into a key part. A part is well-formed text of at most 128 UTF-16 units, and no two names share a part:
 *
 * - A name without `~` and lone surrogates is its own part.
 * - `~` becomes `~7E`, and a lone surrogate becomes its code: `~uD83D`. A separator that is part of a name is escaped as well:
 *   `/` in the name of a Ray Serve application becomes `~2F`, `@` in a version becomes `~40`.
 * - An escaped text that is too long is cut, and ends in `~~` and 32 digits of its SHA-256. No escaped text contains `~~`.
 */
export function keyPart(name: string): string {
  return bounded(escaped(name));
}

/** The part of a model's version: `name@version`. The version begins behind the last `@`. */
export function versionedPart(name: string, version: string): string {
  return bounded(`${escaped(name)}@${escaped(version, '@')}`);
}

/**
 * The part of a model of an application: `application/model`. The model begins behind the first `/`.
 * @param model '' for the application itself: its part has no `/`
 * @param version appended as `@version`; undefined if all versions share a circuit
 */
export function applicationPart(application: string, model: string, version: string | undefined): string {
  const scope = escaped(application, '/');
  const name = model === '' ? scope : `${scope}/${escaped(model)}`;
  return bounded(version === undefined ? name : `${name}@${escaped(version, '@')}`);
}

/**
 * The part that a user means when looking up a circuit: the text itself if it is a key part (events and snapshots show
 * those), else the part of the name. A name that happens to look like an escaped part is taken for the part.
 */
export function asKeyPart(text: string): string {
  return isKeyPart(text) ? text : keyPart(text);
}

const ESCAPED = /^(?:[^~]|~(?:7E|40|2F|uD[89A-F][0-9A-F]{2}))*$/;
const CUT = /^.{1,94}~~[0-9a-f]{32}$/s;

function isKeyPart(text: string): boolean {
  return text.length <= LONGEST_PART && text.isWellFormed() && (ESCAPED.test(text) || CUT.test(text));
}

/** @param separator an ASCII character that is escaped as well; '' for none */
function escaped(name: string, separator = ''): string {
  const plain = name.isWellFormed() && !name.includes('~') && (separator === '' || !name.includes(separator));
  if (plain) return name;
  return name.replace(/[~/@\p{Surrogate}]/gu, (unit) => {
    if (unit !== '~' && unit < '\x7f' && unit !== separator) return unit;
    const digits = unit.charCodeAt(0).toString(16).toUpperCase();
    return unit < '\x7f' ? `~${digits}` : `~u${digits}`;
  });
}

function bounded(part: string): string {
  if (part.length <= LONGEST_PART) return part;
  const hash = createHash('sha256').update(part).digest('hex').slice(0, HASH_DIGITS);
  return `${cut(part, LONGEST_PART - CUT_MARK.length - HASH_DIGITS)}${CUT_MARK}${hash}`;
}

/** The model's name in a part, without its version; undefined for '' and for a part that was cut. */
export function nameOfPart(part: string): string | undefined {
  if (part === '' || part.includes(CUT_MARK)) return undefined;
  const version = part.lastIndexOf('@');
  const name = version < 0 ? part : part.slice(0, version);
  return name.replaceAll(/~(?:([0-9A-F]{2})|u([0-9A-F]{4}))/g, (_all, ascii?: string, unit?: string) =>
    String.fromCharCode(Number.parseInt(ascii ?? unit ?? '0', 16)),
  );
}
