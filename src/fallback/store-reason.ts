import { cut } from '../text.js';

const LONGEST = 200;

/** The first line of an error's message. The rest is left out: clients of stores add commands and their values to their errors. */
export function reasonOf(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  try {
    const text = error instanceof Error ? error.message : String(error);
    return cut(text.split('\n', 1)[0] ?? '', LONGEST, '…');
  } catch {
    return 'an error that cannot be shown';
  }
}
