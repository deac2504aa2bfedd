import { circuitName } from '../view/names.js';
import { byTrouble } from '../view/trouble.js';
import { arrange, el, setText } from './dom.js';
import type { Model, Subject } from './model.js';
import { Row } from './row.js';

type Order = (a: Subject, b: Subject) => number;

const byName: Order = (a, b) => (a.circuit.view.circuitKey < b.circuit.view.circuitKey ? -1 : 1);
const down =
  (of: (subject: Subject) => number): Order =>
  (a, b) =>
    of(b) - of(a) || byName(a, b);

const ORDERS: Readonly<Record<string, readonly [label: string, order: Order]>> = {
  trouble: ['trouble', byTrouble],
  name: ['name', byName],
  rate: ['calls per second', down(({ assessment }) => assessment.rate)],
  latency: ['p99', down(({ circuit }) => circuit.view.window.latencyMs?.p99 ?? -1)],
  failed: ['failures', down(({ circuit }) => circuit.view.window.failureRate)],
};
const COLUMNS = ['State', 'Circuit', 'Last minutes', 'Calls', 'p50 · p99', 'Failed', 'Answers'];

/** All circuits. Rows that are not on the screen are not drawn. */
export class CircuitList {
  readonly element: HTMLElement;
  readonly #rows = new Map<string, Row>();
  readonly #body = el('div', { role: 'rowgroup', class: 'body' });
  readonly #count = el('span', { class: 'count', role: 'status' });
  readonly #empty = el('p', { class: 'nothing' });
  readonly #search = el('input', {
    type: 'search',
    placeholder: 'Search circuits',
    'aria-label': 'Search circuits',
    spellcheck: 'false',
    autocomplete: 'off',
  });
  readonly #order = el('select', { 'aria-label': 'Sort by' });
  readonly #observer: IntersectionObserver;
  readonly #byElement = new WeakMap<Element, Row>();
  #model: Model | undefined;
  #isOutOfOrder = false;

  constructor() {
    for (const [value, [label]] of Object.entries(ORDERS)) this.#order.append(el('option', { value }, label));
    const heads = COLUMNS.map((title) => el('div', { role: 'columnheader', class: 'cell' }, title));
    const sort = el('label', { class: 'sort' }, el('span', {}, 'Sort by'), this.#order);
    const table = el(
      'div',
      { role: 'table', 'aria-label': 'Circuits', class: 'table' },
      el('div', { role: 'rowgroup', class: 'head' }, el('div', { role: 'row', class: 'row' }, ...heads)),
      this.#body,
    );
    this.element = el(
      'section',
      { class: 'circuits', 'aria-labelledby': 'circuits-title' },
      el(
        'div',
        { class: 'bar-of-list' },
        el('h2', { id: 'circuits-title' }, 'Circuits'),
        this.#count,
        this.#search,
        sort,
      ),
      table,
      this.#empty,
    );
    this.#search.addEventListener('input', () => this.arrange());
    this.#order.addEventListener('change', () => this.arrange());
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: '120px' });
  }

  focusSearch(): void {
    this.#search.focus();
  }

  /** Shows the circuits of a new model in place of the old. */
  reset(model: Model): void {
    this.#observer.disconnect();
    this.#rows.clear();
    this.#model = model;
    for (const subject of model.subjects.values()) this.#add(subject, model);
    this.arrange();
  }

  /** Draws a circuit that has changed, or adds a new circuit. */
  changed(subject: Subject): void {
    const model = this.#model;
    if (model === undefined) return;
    const row = this.#rows.get(subject.circuit.id);
    if (row === undefined || row.subject !== subject) {
      row?.element.remove();
      this.#add(subject, model);
    } else if (row.isVisible) row.draw();
    this.#isOutOfOrder = true;
  }

  removed(id: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    this.#observer.unobserve(row.element);
    row.element.remove();
    this.#rows.delete(id);
    this.#isOutOfOrder = true;
  }

  /** Draws the small pictures again, because the histories have grown. */
  drawPast(): void {
    const model = this.#model;
    if (model === undefined) return;
    for (const row of this.#rows.values()) {
      if (!row.isVisible) continue;
      row.draw();
      row.drawPast(model);
    }
    this.#isOutOfOrder = true;
  }

  /** Puts the rows in their order if something has changed. */
  arrangeIfNeeded(): void {
    if (this.#isOutOfOrder) this.arrange();
  }

  arrange(): void {
    this.#isOutOfOrder = false;
    const wanted = this.#search.value.trim().toLowerCase();
    const [, order] = ORDERS[this.#order.value] ?? ['', byTrouble];
    const subjects = [...this.#rows.values()]
      .filter(({ subject }) => matches(subject, wanted))
      .sort((a, b) => order(a.subject, b.subject));
    const { activeElement } = document;
    arrange(
      this.#body,
      subjects.map(({ element }) => element),
    );
    if (activeElement instanceof HTMLElement && activeElement !== document.activeElement)
      activeElement.focus({ preventScroll: true });
    const all = this.#rows.size;
    setText(this.#count, wanted === '' ? String(all) : `${subjects.length} of ${all}`);
    const nothing =
      all === 0
        ? 'No circuit yet. A circuit appears with the first guarded call of its model.'
        : subjects.length === 0
          ? 'No circuit matches this search.'
          : '';
    setText(this.#empty, nothing);
  }

  #add(subject: Subject, model: Model): void {
    const row = new Row(subject, model.hasSeveralProcesses);
    this.#rows.set(subject.circuit.id, row);
    this.#byElement.set(row.element, row);
    this.#observer.observe(row.element);
    row.draw();
    this.#isOutOfOrder = true;
  }

  #seen(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const row = this.#byElement.get(target);
      if (row === undefined) continue;
      row.isVisible = isIntersecting;
      if (!isIntersecting || this.#model === undefined) continue;
      row.draw();
      row.drawPast(this.#model);
    }
  }
}

function matches({ circuit }: Subject, wanted: string): boolean {
  if (wanted === '') return true;
  const { view } = circuit;
  const { name, place } = circuitName(view.circuitKey);
  return `${name} ${place} ${view.circuitKey} ${view.process} ${view.state}`.toLowerCase().includes(wanted);
}
