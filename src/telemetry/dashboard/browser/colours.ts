/** The colour of a source, by a name that the style sheet knows. */
export function sourceColour(source: string): string {
  if (source === 'primary' || source === 'last-good' || source === 'default') return source;
  if (source === 'deferred' || source === 'none') return source;
  return source.startsWith('secondary:') ? 'secondary' : 'other';
}
