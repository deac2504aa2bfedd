/** Most UTF-16 units of one message. */
const LONGEST = 64 * 1024 * 1024;

/** Reads server-sent events from pieces of text. */
export class EventStreamReader {
  readonly #onEvent: (name: string, data: string) => void;
  #pieces: string[] = [];
  #length = 0;
  #name = '';
  #data = '';

  constructor(onEvent: (name: string, data: string) => void) {
    this.#onEvent = onEvent;
  }

  /** @throws Error when a line or message is longer than any that a page sends */
  push(text: string): void {
    let rest = text;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = this.#pieces.join('') + rest.slice(0, end);
      this.#pieces = [];
      this.#length = 0;
      rest = rest.slice(end + 1);
      this.#take(line.endsWith('\r') ? line.slice(0, -1) : line);
    }
    if (rest === '') return;
    this.#length += rest.length;
    this.#checkLength(this.#length);
    this.#pieces.push(rest);
  }

  #take(line: string): void {
    if (line === '') {
      const [name, data] = [this.#name, this.#data];
      this.#name = '';
      this.#data = '';
      if (data !== '') this.#onEvent(name, data);
      return;
    }
    const [, field = '', value = ''] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    if (field === 'event') this.#name = value;
    if (field === 'data') this.#data = this.#data === '' ? value : `${this.#data}\n${value}`;
    this.#checkLength(this.#data.length);
  }

  #checkLength(length: number): void {
    if (length > LONGEST) throw new Error(`a message of more than ${LONGEST} characters`);
  }
}
