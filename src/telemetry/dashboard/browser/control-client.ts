import { el } from './dom.js';

const KEY = 'failsoft-token';

/** Asks the server for changes, with the visitor's token. */
export class ControlClient {
  #token = '';
  readonly #show: (text: string, isError: boolean) => void;

  /** @param show shows the result of a change */
  constructor(show: (text: string, isError: boolean) => void) {
    this.#show = show;
    this.#token = fromAddress() || remembered();
    remember(this.#token);
  }

  /** @returns whether the server made the change */
  async ask(parameters: Readonly<Record<string, string>>): Promise<boolean> {
    if (this.#token === '') this.#token = await askForToken();
    if (this.#token === '') return false;
    try {
      const response = await fetch(`control?${new URLSearchParams(parameters)}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${this.#token}` },
      });
      if (response.status === 401) this.#token = '';
      remember(this.#token);
      this.#show((await response.text()).trim(), !response.ok);
      return response.ok;
    } catch {
      this.#show('the server does not answer', true);
      return false;
    }
  }
}

/** Reads `#token=...`, as a program prints it, and removes it from the address, because visitors copy addresses. */
function fromAddress(): string {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (token === undefined) return '';
  history.replaceState(null, '', location.pathname + location.search);
  try {
    return decodeURIComponent(token);
  } catch {
    return '';
  }
}

function remembered(): string {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

function remember(token: string): void {
  try {
    if (token === '') sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // the browser keeps nothing: the page asks for the token again
  }
}

function askForToken(): Promise<string> {
  const input = el('input', { type: 'password', autocomplete: 'off', required: '', id: 'token' });
  const dialog = el(
    'dialog',
    { 'aria-labelledby': 'token-label' },
    el(
      'form',
      { method: 'dialog' },
      el('label', { for: 'token', id: 'token-label' }, 'Token for changes'),
      input,
      el(
        'div',
        { class: 'buttons' },
        el('button', { value: 'cancel', formnovalidate: '' }, 'Cancel'),
        el('button', { value: 'ok', class: 'primary' }, 'Continue'),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'ok' ? input.value.trim() : '');
    });
  });
}
