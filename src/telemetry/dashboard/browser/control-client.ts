import { el } from './dom.js';

const KEY = 'failsoft-token';

/** Asks the server for changes, with the visitor's token. */
export class ControlClient {
  #token = '';
  readonly #say: (text: string, isError: boolean) => void;

  /** @param say shows how a change ended */
  constructor(say: (text: string, isError: boolean) => void) {
    this.#say = say;
    this.#token = fromAddress() || remembered();
    remember(this.#token);
  }

  /** @returns whether it was done */
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
      this.#say((await response.text()).trim(), !response.ok);
      return response.ok;
    } catch {
      this.#say('the server does not answer', true);
      return false;
    }
  }
}

/** `#token=...`, as a program prints it. It is taken out of the address, which people copy. */
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
    // a browser that keeps nothing asks again
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
