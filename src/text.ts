// Text that goes into keys, statuses and labels. A lone surrogate (half of a UTF-16 pair) has no UTF-8 form, and
// encodeURI, with which grpc-js's server encodes a status's details, throws at it.

/** The same text, with U+FFFD in the place of each lone surrogate. */
export function wellFormed(text: string): string {
  return text.toWellFormed();
}

/**
 * The well-formed text, cut to at most `longest` UTF-16 units including `mark`. Never cut inside a surrogate pair.
 * @param mark put behind a text that was cut. @default ''
 */
export function cut(text: string, longest: number, mark = ''): string {
  if (text.length <= longest) return wellFormed(text);
  const end = longest - mark.length;
  const splitsPair = isHighSurrogate(text.charCodeAt(end - 1)) && isLowSurrogate(text.charCodeAt(end));
  return wellFormed(text.slice(0, splitsPair ? end - 1 : end)) + mark;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
