import { circuitName } from '../view/names.js';
import type { DeltaMessage } from '../view/protocol.js';
import { apply, stateOf } from '../view/state.js';
import { isTrouble } from '../view/trouble.js';
import { moveInWords } from '../view/words.js';
import { Calm } from './calm.js';
import { CircuitPage } from './circuit-page.js';
import { Connection } from './connection.js';
import { ControlClient } from './control-client.js';
import { el, setAttribute, setText } from './dom.js';
import { Header } from './header.js';
import { CircuitList } from './list.js';
import { Model } from './model.js';
import { Now } from './now.js';
import { circuitOf } from './routes.js';
import { allMoves, Timeline } from './timeline.js';

/** How often counters and countdowns are drawn, in milliseconds. */
const TICK_MS = 200;
/** The shortest time between two announcements for screen readers, in milliseconds. */
const SPEAK_MS = 4_000;

class Page {
  readonly #announcer = el('div', { class: 'announcer', 'aria-live': 'polite', role: 'status' });
  readonly #controls: ControlClient | undefined;
  readonly #header: Header;
  readonly #now = new Now();
  readonly #list = new CircuitList();
  readonly #timeline = new Timeline('Timeline', true);
  readonly #overview = el('div', { class: 'overview' });
  readonly #main = el('main', { id: 'main' });
  readonly #calm: Calm;
  #model: Model | undefined;
  #circuitPage: CircuitPage | undefined;
  #frame = 0;
  #stepped = false;
  #changed = new Set<string>();
  #spokenMs = 0;

  constructor(facts: { canControl: boolean; actions: readonly { label: string; description: string }[] }) {
    this.#controls = facts.canControl
      ? new ControlClient((text, isError) => this.#header.showResult(text, isError))
      : undefined;
    this.#header = new Header(facts.actions, this.#controls, () => this.#recoloured());
    this.#overview.append(this.#now.element, this.#timeline.element, this.#list.element);
    const skip = el('a', { href: '#main', class: 'skip' }, 'Skip to the circuits');
    skip.addEventListener('click', (event) => {
      event.preventDefault();
      this.#list.focusSearch();
    });
    document.getElementById('page')?.append(skip, this.#header.element, this.#main, this.#announcer);
    this.#calm = new Calm(this.#main);
    addEventListener('hashchange', () => this.#route());
    addEventListener('keydown', (event) => this.#key(event));
    document.addEventListener('visibilitychange', () => this.#drawSoon());
    this.#route();
    setInterval(() => this.#tick(), TICK_MS);
    new Connection({
      snapshot: (message) => {
        this.#model = new Model(stateOf(message));
        this.#reset(this.#model);
      },
      delta: (message) => this.#delta(message),
      alive: (isAlive) => this.#header.setAlive(isAlive),
    });
  }

  #reset(model: Model): void {
    this.#changed.clear();
    this.#list.reset(model);
    this.#timeline.reset(allMoves(model.state));
    this.#now.draw(model, true);
    this.#circuitPage?.draw(model, true);
    this.#title(model);
    setAttribute(document.body, 'data-ready', 'true');
  }

  #delta(message: DeltaMessage): void {
    const model = this.#model;
    if (model === undefined) return;
    const { circuits, removed, stepped, timeline } = apply(model.state, message);
    for (const id of removed) {
      model.subjects.delete(id);
      this.#list.removed(id);
    }
    if (stepped) for (const circuit of model.state.circuits.values()) model.assess(circuit);
    for (const circuit of circuits) {
      model.assess(circuit);
      this.#changed.add(circuit.id);
    }
    this.#stepped ||= stepped;
    if (timeline.length > 0) {
      this.#timeline.add(timeline);
      this.#speak(timeline);
    }
    this.#drawSoon();
  }

  /** Draws at most once per frame, and not while the page is hidden. */
  #drawSoon(): void {
    if (this.#frame !== 0 || document.hidden) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#model !== undefined) this.#draw(this.#model);
    });
  }

  #draw(model: Model): void {
    const { mayMove } = this.#calm;
    for (const id of this.#changed) {
      const subject = model.subjects.get(id);
      if (subject !== undefined) this.#list.changed(subject);
    }
    const isOpenPage = this.#circuitPage !== undefined;
    if (isOpenPage && (this.#stepped || this.#changed.has(this.#circuitPage?.id ?? '')))
      this.#circuitPage?.draw(model);
    this.#changed.clear();
    if (!isOpenPage) {
      if (this.#stepped) this.#list.drawPast();
      if (mayMove) this.#list.arrangeIfNeeded();
      this.#now.draw(model, mayMove);
    }
    this.#stepped = false;
    this.#title(model);
  }

  #tick(): void {
    const model = this.#model;
    if (model === undefined || document.hidden) return;
    if (this.#circuitPage) this.#circuitPage.tick(model);
    else this.#now.tick(model.nowMs);
    this.#header.tick(model);
    if (!this.#circuitPage && this.#calm.mayMove) this.#list.arrangeIfNeeded();
  }

  #title(model: Model): void {
    const down = [...model.subjects.values()].filter(({ assessment }) => isTrouble(assessment.level)).length;
    const title = down > 0 ? `(${down}) failsoft` : 'failsoft';
    if (document.title !== title) document.title = title;
  }

  #speak(entries: DeltaMessage['timeline'] & object): void {
    const nowMs = performance.now();
    if (nowMs - this.#spokenMs < SPEAK_MS) return;
    this.#spokenMs = nowMs;
    const last = entries.at(-1);
    if (last) setText(this.#announcer, `${circuitName(last.circuitKey).name}: ${moveInWords(last)}`);
  }

  #route(): void {
    const id = circuitOf(location.hash);
    this.#circuitPage?.close();
    if (id === undefined) {
      this.#circuitPage = undefined;
      if (!this.#overview.isConnected) this.#main.replaceChildren(this.#overview);
      if (this.#model) this.#reset(this.#model);
      return;
    }
    this.#circuitPage = new CircuitPage(id, this.#controls);
    this.#main.replaceChildren(this.#circuitPage.element);
    if (this.#model) this.#circuitPage.draw(this.#model, true);
    this.#circuitPage.focus();
    scrollTo(0, 0);
  }

  #recoloured(): void {
    if (this.#model) this.#circuitPage?.draw(this.#model, true);
  }

  #key(event: KeyboardEvent): void {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/' && !isTyping && !this.#circuitPage) {
      event.preventDefault();
      this.#list.focusSearch();
    }
    if (event.key === 'Escape' && this.#circuitPage && document.querySelector('dialog') === null)
      location.hash = '#/';
  }
}

new Page(JSON.parse(document.getElementById('facts')?.textContent ?? '{}'));
