const CLEAR_LINE = '\u001b[2K';

/** Writes lines, and below them, in a terminal, a view that is drawn anew. */
export class Screen {
  readonly #write: (text: string) => void;
  readonly #size: () => { readonly columns: number; readonly rows: number };
  /** Lines of the view below the last written line. */
  #drawn = 0;

  /** @param size the size of the terminal; 0 columns where the output is no terminal, which shows no view */
  constructor(
    write: (text: string) => void,
    size: () => { readonly columns: number; readonly rows: number },
  ) {
    this.#write = write;
    this.#size = size;
  }

  /** Draws a view over the view before. Does nothing where the output is no terminal. */
  draw(lines: readonly string[]): void {
    const { columns, rows } = this.#size();
    if (columns === 0) return;
    // a view with lines that wrap, or that is higher than the terminal, could not be drawn over
    const shown = lines.slice(0, Math.max(0, rows - 1)).map((line) => cut(line, columns - 1));
    this.#write(`${this.#erased()}${shown.map((line) => `${line}\n`).join('')}`);
    this.#drawn = shown.length;
  }

  /** Writes a line, in the place of the view. */
  line(text: string): void {
    this.#write(`${this.#erased()}${text}\n`);
    this.#drawn = 0;
  }

  #erased(): string {
    return `\u001b[1A${CLEAR_LINE}`.repeat(this.#drawn) + (this.#drawn > 0 ? '\r' : '');
  }
}

/** Cuts a text to `width` characters on the screen. Codes of colours take no room. */
function cut(text: string, width: number): string {
  let left = width;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the code of a colour begins with one
  return text.replace(/\u001b\[\d+m|[^\u001b]/gu, (unit) => {
    if (unit.length > 1 && unit.startsWith('\u001b')) return unit;
    left -= 1;
    return left >= 0 ? unit : '';
  });
}
