import { duration } from '../view/format.js';
import { shown } from '../view/names.js';
import type { ControlClient } from './control-client.js';
import { el, setAttribute, setText } from './dom.js';
import type { Model } from './model.js';
import { ThemeButton } from './theme.js';

/** How long the result of a change is shown, in milliseconds. */
const RESULT_MS = 6_000;

/** The bar at the top: the names of the processes, whether the page is live, and the program's own buttons. */
export class Header {
  readonly element: HTMLElement;
  readonly #live = el('span', { class: 'live', role: 'status' });
  readonly #process = el('bdi', { class: 'process' });
  readonly #result = el('output', { class: 'result' });
  #isAlive = false;
  #changedMs = performance.now();
  #resultMs = 0;

  constructor(
    actions: readonly { readonly label: string; readonly description: string }[],
    controls: ControlClient | undefined,
    onRecolour: () => void,
  ) {
    const theme = new ThemeButton(onRecolour);
    const buttons = actions.map(({ label, description }, index) => {
      const button = el(
        'button',
        { type: 'button', ...(description !== '' && { title: description }) },
        label,
      );
      button.addEventListener('click', () => {
        setAttribute(button, 'aria-busy', 'true');
        void controls
          ?.ask({ action: 'run', index: String(index) })
          .finally(() => button.removeAttribute('aria-busy'));
      });
      return button;
    });
    const bar =
      buttons.length === 0
        ? []
        : [el('div', { class: 'actions', role: 'group', 'aria-label': 'Actions' }, ...buttons, this.#result)];
    this.element = el(
      'header',
      { class: 'top' },
      el(
        'div',
        { class: 'brand' },
        el('a', { href: '#/', class: 'logo', 'aria-label': 'failsoft, all circuits' }, 'failsoft'),
        this.#process,
        this.#live,
        ...(buttons.length === 0 ? [this.#result] : []),
        theme.element,
      ),
      ...bar,
    );
    this.#show();
  }

  setAlive(isAlive: boolean): void {
    if (this.#isAlive === isAlive) return;
    this.#isAlive = isAlive;
    this.#changedMs = performance.now();
    this.#show();
  }

  /** Shows the result of a change for a while. */
  showResult(text: string, isError: boolean): void {
    setText(this.#result, text);
    setAttribute(this.#result, 'data-error', String(isError));
    this.#resultMs = performance.now();
  }

  tick(model: Model): void {
    const names = [...model.state.processes.keys()];
    setText(this.#process, names.length === 1 ? shown(names[0] ?? '') : `${names.length} processes`);
    if (performance.now() - this.#resultMs > RESULT_MS) setText(this.#result, '');
    if (!this.#isAlive) this.#show();
  }

  #show(): void {
    setAttribute(this.#live, 'data-alive', String(this.#isAlive));
    const silentMs = performance.now() - this.#changedMs;
    setText(
      this.#live,
      this.#isAlive ? 'Live' : silentMs < 1_500 ? 'Connecting' : `Not connected for ${duration(silentMs)}`,
    );
  }
}
