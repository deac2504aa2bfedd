import type { CircuitSettings } from '../../../guard/guard-options.js';
import { latency, percent, perSecond, setting, timeOfDay, whole } from '../view/format.js';
import { circuitName, shown, sourceName } from '../view/names.js';
import { segmentsOf } from '../view/series.js';
import { isTrouble } from '../view/trouble.js';
import { reasonInWords, shareOf, stateWord, troubleInWords } from '../view/words.js';
import { Charts } from './charts.js';
import type { ControlClient } from './control-client.js';
import { el, setAttribute, setText } from './dom.js';
import { icon, setIcon } from './icons.js';
import type { Model, Subject } from './model.js';
import { ShareBar } from './share-bar.js';
import { StateStrip } from './spark.js';
import { Timeline } from './timeline.js';

type Entry = readonly [name: string, value: string];

/** A circuit's own page. */
export class CircuitPage {
  readonly element: HTMLElement;
  readonly id: string;
  readonly #icon = icon('fine');
  readonly #word = el('span', { class: 'word' });
  readonly #sentence = el('p', { class: 'sentence' });
  readonly #strip = new StateStrip();
  readonly #shares = new ShareBar('Callers get');
  readonly #charts = new Charts();
  readonly #timeline = new Timeline('What happened', false);
  readonly #figures = el('dl', { class: 'pairs' });
  readonly #settings = el('dl', { class: 'pairs' });
  readonly #answers = el('dl', { class: 'pairs' });
  readonly #gone = el(
    'p',
    { class: 'nothing' },
    'This circuit is gone: it was evicted, or its process was restarted.',
  );
  #subject: Subject | undefined;
  #entries = -1;
  #settingsName: string | undefined;

  constructor(id: string, controls: ControlClient | undefined) {
    this.id = id;
    const [process = '', ...rest] = id.split('\n');
    const circuitKey = rest.join('\n');
    const { name, fullPlace: place } = circuitName(circuitKey);
    const panel = (title: string, list: HTMLElement) =>
      el('section', { class: 'panel' }, el('h2', {}, title), list);
    this.element = el(
      'div',
      { class: 'circuit-page' },
      el('a', { href: '#/', class: 'back' }, '← All circuits'),
      el(
        'header',
        {},
        el('div', { class: 'badge' }, this.#icon, this.#word),
        el('h1', { tabindex: '-1' }, el('bdi', {}, name)),
        el('bdi', { class: 'place' }, `${place} · ${shown(process)}`),
        this.#sentence,
      ),
      this.#gone,
      el('div', { class: 'long-strip' }, this.#strip.element),
      this.#shares.element,
      ...(controls ? [controlBar(controls, circuitKey)] : []),
      this.#charts.element,
      el(
        'div',
        { class: 'panels' },
        el(
          'div',
          { class: 'column' },
          this.#timeline.element,
          panel('Answers since the start', this.#answers),
        ),
        panel('Figures', this.#figures),
        panel('Settings', this.#settings),
      ),
    );
    this.#gone.hidden = true;
  }

  /** @param isForced whether the colours have changed */
  draw(model: Model, isForced = false): void {
    const subject = model.subjects.get(this.id);
    this.#gone.hidden = subject !== undefined;
    this.#subject = subject;
    if (subject === undefined) return;
    const { circuit, assessment } = subject;
    setAttribute(this.element, 'data-level', assessment.level);
    setIcon(this.#icon, assessment.level);
    setText(this.#word, stateWord(circuit.view) + (circuit.view.mode === 'observe' ? ', observe' : ''));
    this.tick(model);
    this.#shares.draw(assessment.shares);
    const last = circuit.timeline.at(-1)?.atMs ?? 0;
    if (this.#entries !== last || isForced) {
      this.#entries = last;
      this.#timeline.reset(circuit.timeline);
    }
    pairs(this.#figures, figuresOf(subject));
    pairs(this.#answers, answersOf(subject));
    if (this.#settingsName !== circuit.view.settings) {
      this.#settingsName = circuit.view.settings;
      pairs(this.#settings, settingsOf(model.settingsOf(circuit)));
    }
    this.drawPast(model, isForced);
  }

  drawPast(model: Model, isForced = false): void {
    const subject = this.#subject;
    const process = subject && model.processOf(subject.circuit);
    if (subject === undefined || process === undefined) return;
    const { circuit } = subject;
    const { fromMs, knownMs, toMs } = model.spanOf(circuit);
    this.#strip.draw(segmentsOf(circuit.view, circuit.timeline, knownMs, toMs), fromMs, toMs);
    const limitMs = model.limitsOf(circuit).latencyMs;
    this.#charts.draw(circuit.history, process, model.sourcesOf(circuit), limitMs, isForced);
  }

  tick(model: Model): void {
    const subject = this.#subject;
    if (subject === undefined) return;
    const { circuit, assessment } = subject;
    const words = isTrouble(assessment.level)
      ? troubleInWords(circuit, assessment.shares, model.nowMs)
      : `${perSecond(assessment.rate)} calls/s; ${shareOf(circuit.view.window.failureRate, circuit.view.window.calls)} failed`;
    setText(this.#sentence, words);
  }

  focus(): void {
    this.element.querySelector('h1')?.focus({ preventScroll: true });
  }

  close(): void {
    this.#charts.close();
  }
}

function controlBar(controls: ControlClient, circuit: string): HTMLElement {
  const button = (label: string, parameters: Readonly<Record<string, string>>) => {
    const element = el('button', { type: 'button' }, label);
    element.addEventListener('click', () => void controls.ask({ ...parameters, circuit }));
    return element;
  };
  return el(
    'div',
    { class: 'buttons', role: 'group', 'aria-label': 'Change this circuit' },
    button('Isolate', { action: 'isolate' }),
    button('Release', { action: 'release' }),
    ...['enforce', 'observe', 'off'].map((mode) => button(`Mode: ${mode}`, { action: 'mode', mode })),
  );
}

function figuresOf({ circuit, assessment }: Subject): Entry[] {
  const { view } = circuit;
  const { window, totals } = view;
  const { latencyMs } = window;
  const rejected = Object.entries(totals.rejected).filter(([, count]) => count > 0);
  return [
    ['Calls per second', perSecond(assessment.rate)],
    ['In the window', `${whole(window.calls)} calls, ${whole(window.unhealthy)} unhealthy`],
    ['Failure rate', percent(window.failureRate)],
    ...(window.slowRate === null ? [] : [['Slow calls', percent(window.slowRate)] as const]),
    [
      'p50, p90, p99',
      latencyMs ? [latencyMs.p50, latencyMs.p90, latencyMs.p99].map(latency).join(', ') : '–',
    ],
    ['Failures in a row', whole(view.consecutiveFailures)],
    [
      'In flight',
      whole(view.inFlight) +
        (view.concurrencyLimit === undefined ? '' : ` of ${whole(view.concurrencyLimit)}`),
    ],
    ['Admitted', whole(totals.admitted)],
    ...Object.entries(totals.outcomes).map(
      ([outcome, count]) => [`Outcome ${outcome}`, whole(count)] as const,
    ),
    ...rejected.map(([reason, count]) => [`Rejected: ${reason}`, whole(count)] as const),
    ['Opened', `${whole(totals.opened)} times`],
    [
      'Last trip',
      view.lastTrip ? `${timeOfDay(view.lastTrip.atMs)}, ${reasonInWords(view.lastTrip.reason)}` : 'never',
    ],
    ['Engine', view.engine],
  ];
}

function answersOf({ circuit }: Subject): Entry[] {
  const { answers } = circuit.view;
  if (answers.length === 0) return [['No call', '–']];
  return answers.map(({ source, cause, count }) => [
    cause === null ? sourceName(source) : `${sourceName(source)} (${shown(cause)})`,
    whole(count),
  ]);
}

/** Every setting as a line: `open.baseMs 5000`. */
function settingsOf(settings: CircuitSettings | undefined): Entry[] {
  if (settings === undefined) return [['Not known', '–']];
  const { circuit, ...method } = settings;
  return [...flat('', circuit ?? {}), ...flat('', method)];
}

function flat(prefix: string, value: object): Entry[] {
  return Object.entries(value).flatMap(([name, of]: [string, unknown]): Entry[] => {
    const path = shown(prefix === '' ? name : `${prefix}.${name}`);
    if (Array.isArray(of)) return [[path, of.map((item) => inLine(item)).join('; ') || 'none']];
    if (typeof of === 'object' && of !== null) return flat(path, of);
    return [[path, inLine(of)]];
  });
}

function inLine(value: unknown): string {
  // Infinity is null in JSON
  if (value === null || value === false) return 'none';
  if (typeof value === 'number') return setting(value);
  if (typeof value !== 'object') return shown(String(value));
  return Object.entries(value)
    .map(([name, of]) => {
      const text = typeof of === 'number' ? setting(of) : shown(String(of));
      return name === 'rule' ? text : `${shown(name)} ${text}`;
    })
    .join(' ');
}

function pairs(list: HTMLElement, entries: readonly Entry[]): void {
  while (list.childElementCount > entries.length) list.lastElementChild?.remove();
  while (list.childElementCount < entries.length) list.append(el('div', {}, el('dt'), el('dd')));
  entries.forEach(([name, value], index) => {
    const [term, definition] = list.children[index]?.children ?? [];
    if (term) setText(term, name);
    if (definition) setText(definition, value);
  });
}
