import { latency, percent, perSecond } from '../view/format.js';
import { circuitName } from '../view/names.js';
import { segmentsOf } from '../view/series.js';
import { shareOf, sharesInWords, stateWord } from '../view/words.js';
import { el, setAttribute, setText } from './dom.js';
import { icon, setIcon } from './icons.js';
import type { Model, Subject } from './model.js';
import { hashOf } from './routes.js';
import { AnswersSpark, LatencySpark, RateSpark, StateStrip } from './spark.js';

/** A circuit in the list. */
export class Row {
  readonly element: HTMLElement;
  readonly subject: Subject;
  /** Whether the row is on the screen: only then it is drawn. */
  isVisible = false;
  readonly #icon = icon('idle');
  readonly #word = el('span');
  readonly #strip = new StateStrip();
  readonly #rate = new RateSpark();
  readonly #rateText = el('span', { class: 'number' });
  readonly #latency = new LatencySpark();
  readonly #latencyText = el('span', { class: 'number' });
  readonly #failedText = el('span', { class: 'number' });
  readonly #answers = new AnswersSpark();
  readonly #answersText = el('span', { class: 'number' });

  constructor(subject: Subject, hasSeveralProcesses: boolean) {
    this.subject = subject;
    const { view, id } = subject.circuit;
    const { name, place, fullPlace } = circuitName(view.circuitKey);
    const link = el('a', { href: hashOf(id), title: name }, el('bdi', {}, name));
    const where = hasSeveralProcesses ? `${circuitName(view.process).name} · ${place}` : place;
    const cell = (role: string, kind: string, ...children: (Node | string)[]) =>
      el('div', { role, class: `cell ${kind}` }, ...children);
    this.element = el(
      'div',
      { role: 'row', class: 'row' },
      cell('cell', 'state', this.#icon, this.#word),
      cell('rowheader', 'name', link, el('bdi', { class: 'place', title: fullPlace }, where)),
      cell('cell', 'strip', this.#strip.element),
      cell('cell', 'rate', this.#rate.element, this.#rateText),
      cell('cell', 'latency', this.#latency.element, this.#latencyText),
      cell('cell', 'failed', this.#failedText),
      cell('cell', 'answers', this.#answers.element, this.#answersText),
    );
  }

  /** Draws the state and the figures. */
  draw(): void {
    const { circuit, assessment } = this.subject;
    const { view } = circuit;
    setAttribute(this.element, 'data-level', assessment.level);
    setIcon(this.#icon, assessment.level);
    const observed = view.mode === 'observe' ? ', observe' : '';
    setText(this.#word, `${stateWord(view)}${observed}`);
    setText(this.#rateText, `${perSecond(assessment.rate)}/s`);
    const { latencyMs, calls, failureRate } = view.window;
    setText(this.#latencyText, latencyMs ? `${latency(latencyMs.p50)} · ${latency(latencyMs.p99)}` : '–');
    setText(this.#failedText, calls === 0 ? '–' : percent(failureRate));
    setAttribute(this.#failedText, 'title', `${shareOf(failureRate, calls)} failed`);
    const others = assessment.shares.filter(({ source }) => source !== 'primary');
    const main = others.reduce((most, share) => (share.share > (most?.share ?? 0) ? share : most), others[0]);
    setText(
      this.#answersText,
      main === undefined ? (assessment.shares.length > 0 ? 'all primary' : '–') : sharesInWords([main]),
    );
    setAttribute(this.#answersText, 'title', sharesInWords(assessment.shares));
  }

  /** Draws the small pictures. */
  drawPast(model: Model): void {
    const { circuit } = this.subject;
    const { steps, fromMs, knownMs, toMs } = model.spanOf(circuit);
    this.#strip.draw(segmentsOf(circuit.view, circuit.timeline, knownMs, toMs), fromMs, toMs);
    this.#rate.draw(circuit.history, steps);
    this.#latency.draw(circuit.history, steps, model.limitsOf(circuit).latencyMs);
    this.#answers.draw(circuit.history, steps, model.sourcesOf(circuit));
  }
}
