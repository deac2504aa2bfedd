import type { Clock } from 'failsoft';

interface Event {
  readonly dueAt: number;
  /** Breaks ties: events of the same instant happen in the order in which they were planned. */
  readonly order: number;
  run: (() => void) | undefined;
}

/** A clock that jumps from event to event. It keeps them in a heap, because ten thousand clients have many timers. */
export class VirtualClock implements Clock {
  readonly #heap: Event[] = [];
  #now = 0;
  #order = 0;

  now(): number {
    return this.#now;
  }

  epochMs(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const event: Event = { dueAt: this.#now + Math.max(0, delayMs), order: this.#order++, run: callback };
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  /** Runs all events that are due by this time. */
  runUntil(endMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.dueAt <= endMs; next = this.#heap[0]) {
      this.#pop();
      if (next.run === undefined) continue;
      this.#now = next.dueAt;
      next.run();
    }
    this.#now = Math.max(this.#now, endMs);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [one, two] = [heap[left], heap[left + 1]];
      const least = one !== undefined && two !== undefined && isBefore(two, one) ? left + 1 : left;
      const child = heap[least];
      if (child === undefined || !isBefore(child, last)) break;
      heap[at] = child;
      at = least;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}
