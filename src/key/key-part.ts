import { createHash } from 'node:crypto';
import { cut } from '../text.js';

/** The most UTF-16 units of a key part. */
const LONGEST_PART = 128;
const CUT_MARK = '~~';
/** 128 bits: whoever chooses names cannot find two with one hash. */
const HASH_DIGITS = 32;

/**
 * A name as a key part. Parts are well-formed text of at most 128 UTF-16 units, and no two names share a part:
 *
 * - A name without `~` and lone surrogates is its own part.
 * - `~` is `~7E`, and a lone surrogate `~uD83D`. A separator that is part of a name is escaped as well: `/` in the name of a
 *   Ray Serve application is `~2F`, `@` in a version `~40`.
 * - An escaped text that is too long is cut, and ends in `~~` and 32 digits of its SHA-256. No escaped text has `~~` in it.
 */
export function keyPart(name: string): string {
  return bounded(escaped(name));
}

/** `name@version`: the last `@` divides. */
export function versionedPart(name: string, version: string): string {
  return bounded(`${escaped(name)}@${escaped(version, '@')}`);
}

/**
 * `application/model`, where either may be '': the first `/` divides, and there is none without a model.
 * @param version behind a further `@`; undefined where versions are not told apart
 */
export function applicationPart(application: string, model: string, version: string | undefined): string {
  const scope = escaped(application, '/');
  const name = model === '' ? scope : `${scope}/${escaped(model)}`;
  return bounded(version === undefined ? name : `${name}@${escaped(version, '@')}`);
}

/**
 * For those who look a circuit up: the part itself where the text is one (as events and snapshots show it), or else the part
 * of the name. A name that happens to look like an escaped one is taken for the part.
 */
export function asKeyPart(text: string): string {
  return isKeyPart(text) ? text : keyPart(text);
}

const ESCAPED = /^(?:[^~]|~(?:7E|40|2F|uD[89A-F][0-9A-F]{2}))*$/;
const CUT = /^.{1,94}~~[0-9a-f]{32}$/s;

function isKeyPart(text: string): boolean {
  return text.length <= LONGEST_PART && text.isWellFormed() && (ESCAPED.test(text) || CUT.test(text));
}

/** @param separator a character of ASCII */
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

/** The name that a part was made of; undefined for '', for a part that was cut, and where it is not a name alone (Ray Serve). */
export function nameOfPart(part: string): string | undefined {
  if (part === '' || part.includes(CUT_MARK)) return undefined;
  const version = part.lastIndexOf('@');
  const name = version < 0 ? part : part.slice(0, version);
  return name.replaceAll(/~(?:([0-9A-F]{2})|u([0-9A-F]{4}))/g, (_all, ascii?: string, unit?: string) =>
    String.fromCharCode(Number.parseInt(ascii ?? unit ?? '0', 16)),
  );
}
