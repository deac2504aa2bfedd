import { el, setAttribute, setText } from './dom.js';

const KEY = 'failsoft-theme';
type Theme = 'auto' | 'light' | 'dark';
const NEXT: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' };

/** The button for dark or light colours: as the system sets them, or as the visitor chooses. */
export class ThemeButton {
  readonly element = el('button', { type: 'button', class: 'quiet' });
  #theme: Theme = stored();

  /** @param onChange called when the colours have changed */
  constructor(onChange: () => void) {
    this.#show();
    this.element.addEventListener('click', () => {
      this.#theme = NEXT[this.#theme];
      try {
        localStorage.setItem(KEY, this.#theme);
      } catch {
        // the browser keeps nothing: the choice holds until the page is left
      }
      this.#show();
      onChange();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
  }

  #show(): void {
    const root = document.documentElement;
    if (this.#theme === 'auto') root.removeAttribute('data-theme');
    else setAttribute(root, 'data-theme', this.#theme);
    setText(this.element, { auto: 'Auto', light: 'Light', dark: 'Dark' }[this.#theme]);
    setAttribute(this.element, 'aria-label', `Colours: ${this.#theme}. Change`);
  }
}

function stored(): Theme {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === 'light' || theme === 'dark' ? theme : 'auto';
  } catch {
    return 'auto';
  }
}
