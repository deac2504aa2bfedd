import { percent } from '../view/format.js';
import { sourceName } from '../view/names.js';
import type { Share } from '../view/series.js';
import { sharesInWords } from '../view/words.js';
import { sourceColour } from './colours.js';
import { el, setAttribute, setText } from './dom.js';

/** The shares of the sources of answers, as a bar with a legend. */
export class ShareBar {
  readonly element: HTMLElement;
  readonly #bar = el('div', { class: 'bar' });
  readonly #legend = el('ul', { class: 'legend' });

  constructor(label: string) {
    this.element = el(
      'div',
      { class: 'shares' },
      el('span', { class: 'label' }, label),
      this.#bar,
      this.#legend,
    );
    this.#bar.setAttribute('role', 'img');
  }

  draw(shares: readonly Share[]): void {
    const [bar, legend] = [this.#bar, this.#legend];
    setAttribute(bar, 'aria-label', sharesInWords(shares) || 'no calls');
    resize(bar, shares.length, () => el('span'));
    resize(legend, shares.length, () => el('li', {}, el('i'), el('span'), el('b')));
    shares.forEach(({ source, share }, index) => {
      const colour = sourceColour(source);
      const part = bar.children[index];
      if (part instanceof HTMLElement) {
        setAttribute(part, 'class', `back-${colour}`);
        part.style.flexGrow = String(Math.max(share, 0.004));
      }
      const [dot, name, value] = legend.children[index]?.children ?? [];
      if (dot) setAttribute(dot, 'class', `back-${colour}`);
      if (name) setText(name, sourceName(source));
      if (value) setText(value, percent(share));
    });
    this.element.classList.toggle('empty', shares.length === 0);
  }
}

function resize(parent: Element, length: number, make: () => Element): void {
  while (parent.childElementCount > length) parent.lastElementChild?.remove();
  while (parent.childElementCount < length) parent.append(make());
}
