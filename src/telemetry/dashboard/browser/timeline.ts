import { timeOfDay } from '../view/format.js';
import { circuitName } from '../view/names.js';
import { idOf, type TimelineEntry } from '../view/protocol.js';
import type { StreamState } from '../view/state.js';
import { moveInWords } from '../view/words.js';
import { el } from './dom.js';
import { icon } from './icons.js';
import { hashOf } from './routes.js';

const MOST_SHOWN = 60;

/** Changes of state with their reasons, the newest first. */
export class Timeline {
  readonly element: HTMLElement;
  readonly #list = el('ol', { class: 'moves' });
  readonly #empty = el('p', { class: 'nothing' }, 'No circuit has changed its state yet.');
  readonly #hasNames: boolean;

  /** @param hasNames whether each entry names its circuit */
  constructor(title: string, hasNames: boolean) {
    this.#hasNames = hasNames;
    const scroll = el(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title },
      this.#list,
      this.#empty,
    );
    this.element = el('section', { class: 'timeline' }, el('h2', {}, title), scroll);
  }

  reset(entries: readonly TimelineEntry[]): void {
    this.#list.replaceChildren();
    this.add(entries.toSorted((a, b) => a.atMs - b.atMs).slice(-MOST_SHOWN));
  }

  /** @param entries oldest first */
  add(entries: readonly TimelineEntry[]): void {
    for (const entry of entries.slice(-MOST_SHOWN)) this.#list.prepend(this.#item(entry));
    while (this.#list.childElementCount > MOST_SHOWN) this.#list.lastElementChild?.remove();
    this.#empty.hidden = this.#list.childElementCount > 0;
  }

  #item(entry: TimelineEntry): HTMLElement {
    const { process, circuitKey, atMs, to } = entry;
    const time = el('time', {}, timeOfDay(atMs));
    const date = new Date(atMs);
    if (!Number.isNaN(date.getTime())) time.dateTime = date.toISOString();
    const { name } = circuitName(circuitKey);
    const link = el('a', { href: hashOf(idOf(process, circuitKey)), title: name }, el('bdi', {}, name));
    return el(
      'li',
      { 'data-state': to === 'released' ? 'closed' : to },
      icon(to === 'released' ? 'closed' : to),
      time,
      ...(this.#hasNames ? [link] : []),
      el('span', { class: 'what' }, moveInWords(entry)),
    );
  }
}

export function allMoves({ circuits }: StreamState): TimelineEntry[] {
  return [...circuits.values()].flatMap(({ timeline }) => timeline);
}
