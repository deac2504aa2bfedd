import { duration, latency, perSecond, several } from '../view/format.js';
import { circuitName } from '../view/names.js';
import type { ProcessView } from '../view/protocol.js';
import { byTrouble, callersRate, isTrouble, type Level } from '../view/trouble.js';
import { causeOf, nextInWords, stateWord, troubleSince } from '../view/words.js';
import { arrange, el, setAttribute, setText } from './dom.js';
import { icon, setIcon } from './icons.js';
import type { Model, Subject } from './model.js';
import { hashOf } from './routes.js';
import { ShareBar } from './share-bar.js';

/** More cards would push the list off the screen; the list begins with the other circuits in trouble. */
const MOST_CARDS = 6;

const WORDS: Readonly<Partial<Record<Level, string>>> = {
  observed: 'would be open',
  strained: 'in trouble',
  degraded: 'degraded',
};

/** A card about the trouble of a circuit. */
class Card {
  readonly element: HTMLElement;
  readonly subject: Subject;
  readonly #icon = icon('open');
  readonly #word = el('span', { class: 'word' });
  readonly #since = el('span', { class: 'since' });
  readonly #cause = el('span', { class: 'cause' });
  readonly #next = el('span', { class: 'next' });
  readonly #shares = new ShareBar('Callers get');

  constructor(subject: Subject, hasSeveralProcesses: boolean) {
    this.subject = subject;
    const { view, id } = subject.circuit;
    const { name, place, fullPlace } = circuitName(view.circuitKey);
    const where = hasSeveralProcesses ? `${circuitName(view.process).name} · ${place}` : place;
    this.element = el(
      'li',
      { class: 'card' },
      el('div', { class: 'badge' }, this.#icon, this.#word),
      el('h3', {}, el('a', { href: hashOf(id), title: name }, el('bdi', {}, name))),
      el('bdi', { class: 'place', title: fullPlace }, where),
      this.#since,
      el('p', {}, this.#cause, this.#next),
      this.#shares.element,
    );
  }

  draw(): void {
    const { circuit, assessment } = this.subject;
    setAttribute(this.element, 'data-level', assessment.level);
    setIcon(this.#icon, assessment.level);
    setText(this.#word, WORDS[assessment.level] ?? stateWord(circuit.view));
    const cause = causeOf(circuit);
    const again =
      circuit.view.openings > 1 && circuit.view.state !== 'closed'
        ? `opened ${circuit.view.openings} times`
        : '';
    setText(this.#cause, [cause, again].filter((part) => part !== '').join('; ') || 'callers get fallbacks');
    this.#shares.draw(assessment.shares);
  }

  tick(nowMs: number): void {
    const { circuit, assessment } = this.subject;
    const isTimed = assessment.rank < 5;
    setText(this.#since, isTimed ? `since ${duration(nowMs - troubleSince(circuit))}` : '');
    setText(this.#next, nextInWords(circuit.view, nowMs));
  }
}

/** The part of the page about present trouble, or the sentence that all is well. */
export class Now {
  readonly element: HTMLElement;
  readonly #headline = el('h1', {});
  readonly #summary = el('p', { class: 'summary' });
  readonly #cards = el('ul', { class: 'cards', 'aria-label': 'Circuits in trouble' });
  readonly #lost = el('ul', { class: 'lost' });
  readonly #more = el('p', { class: 'more' });
  readonly #known = new Map<string, Card>();
  readonly #icon = icon('fine');

  constructor() {
    this.element = el(
      'section',
      { class: 'now' },
      el('div', { class: 'headline' }, this.#icon, this.#headline, this.#summary),
      this.#lost,
      this.#cards,
      this.#more,
    );
  }

  /** @param mayMove whether cards may come, go and change places */
  draw(model: Model, mayMove: boolean): void {
    const subjects = [...model.subjects.values()];
    const troubled = subjects.filter(({ assessment }) => isTrouble(assessment.level)).sort(byTrouble);
    const lost = [...model.state.processes.values()].filter(({ error }) => error !== null);
    this.#drawHeadline(model, subjects, troubled, lost);
    this.#drawLost(lost, model.nowMs);
    if (mayMove) this.#arrange(troubled, model);
    for (const card of this.#known.values()) card.draw();
    this.tick(model.nowMs);
  }

  tick(nowMs: number): void {
    for (const card of this.#known.values()) card.tick(nowMs);
  }

  #arrange(troubled: readonly Subject[], model: Model): void {
    const cards = troubled.slice(0, MOST_CARDS).map((subject) => {
      const known = this.#known.get(subject.circuit.id);
      return known?.subject === subject ? known : new Card(subject, model.hasSeveralProcesses);
    });
    this.#known.clear();
    for (const card of cards) this.#known.set(card.subject.circuit.id, card);
    arrange(
      this.#cards,
      cards.map(({ element }) => element),
    );
    const rest = troubled.length - cards.length;
    setText(
      this.#more,
      rest > 0 ? `and ${several(rest, 'more circuit')}; the list below begins with them` : '',
    );
  }

  #drawHeadline(
    model: Model,
    subjects: readonly Subject[],
    troubled: readonly Subject[],
    lost: readonly ProcessView[],
  ): void {
    const worst = troubled[0]?.assessment.level ?? (lost.length > 0 ? 'lost' : 'fine');
    setAttribute(this.element, 'data-level', worst);
    setIcon(this.#icon, worst);
    setText(this.#headline, headline(troubled, subjects.length, lost.length));
    const rate = callersRate(subjects);
    const slowest = Math.max(0, ...subjects.map(({ circuit }) => circuit.view.window.latencyMs?.p99 ?? 0));
    const fine = subjects.length - troubled.length;
    const parts = [
      troubled.length > 0 ? `${several(fine, 'other circuit')} fine` : several(subjects.length, 'circuit'),
      `${perSecond(rate)} calls/s`,
      ...(slowest > 0 ? [`highest p99 ${latency(slowest)}`] : []),
      ...(model.hasSeveralProcesses
        ? [several(model.state.processes.size, 'process').replace('processs', 'processes')]
        : []),
    ];
    setText(this.#summary, parts.join(' · '));
  }

  #drawLost(lost: readonly ProcessView[], nowMs: number): void {
    while (this.#lost.childElementCount > lost.length) this.#lost.lastElementChild?.remove();
    while (this.#lost.childElementCount < lost.length)
      this.#lost.append(el('li', {}, icon('lost'), el('span')));
    lost.forEach(({ name, error, sinceMs }, index) => {
      const text = this.#lost.children[index]?.lastElementChild;
      const words = `${circuitName(name).name}: not reached since ${duration(nowMs - sinceMs)} (${circuitName(error ?? '').name}); its circuits are shown as last seen`;
      if (text) setText(text, words);
    });
  }
}

export function headline(troubled: readonly Subject[], all: number, lost: number): string {
  if (all === 0) return lost > 0 ? 'No process is reached' : 'Waiting for the first call';
  const down = troubled.filter(({ assessment }) => ['open', 'isolated'].includes(assessment.level));
  const [first] = down;
  if (first !== undefined && down.length === 1)
    return `${circuitName(first.circuit.view.circuitKey).name} is ${stateWord(first.circuit.view)}`;
  if (down.length > 1) return `${down.length} circuits reject calls`;
  const [next] = troubled;
  if (next !== undefined && troubled.length === 1)
    return `${circuitName(next.circuit.view.circuitKey).name} is ${WORDS[next.assessment.level] ?? stateWord(next.circuit.view)}`;
  if (troubled.length > 1) return `${troubled.length} circuits need attention`;
  return lost > 0 ? 'A process is not reached' : 'All is well';
}
