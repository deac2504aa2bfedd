import {
  type DeltaMessage,
  FORMAT_VERSION,
  type ProcessView,
  packed,
  type SnapshotMessage,
  type Step,
  type TimelineEntry,
} from '../view/protocol.js';
import { apply, type StreamState, stateOf } from '../view/state.js';
import { bounded, forgetUnused } from './bounds.js';
import type { Feed } from './feed.js';
import { MessageReader } from './read-message.js';
import { Source } from './source.js';

/** Changes are taken this often while no page is open, so that they do not pile up; in milliseconds. */
const IDLE_MS = 1_000;
/** The history of a process that has never been reached. */
const UNKNOWN = { stepMs: 2_000, steps: 150, steppedAtMs: 0 };

/** Shows the circuits of several processes on one page, from their `/events`. */
export class SourcesFeed implements Feed {
  readonly idleIntervalMs = IDLE_MS;
  onUrgent: (() => void) | undefined;
  readonly #state: StreamState;
  readonly #sources: readonly Source[];
  /** The source of each process, by the name of the process. */
  readonly #names = new Map<string, URL>();
  #isNew = false;
  #settings: Record<string, NonNullable<ReturnType<StreamState['settings']['get']>>> = {};
  #changed = new Set<string>();
  #removed: (readonly [string, string])[] = [];
  #steps: Step[] = [];
  #timeline: TimelineEntry[] = [];

  constructor(urls: readonly URL[]) {
    const empty = {
      version: FORMAT_VERSION,
      atMs: Date.now(),
      processes: [],
      settings: {},
      circuits: [],
    } as const;
    this.#state = stateOf(empty);
    this.#sources = urls.map((url, index) => this.#read(url, `${index}.`));
  }

  full(): SnapshotMessage {
    const { processes, settings, circuits } = this.#state;
    return {
      version: FORMAT_VERSION,
      atMs: Date.now(),
      processes: [...processes.values()],
      settings: Object.fromEntries(settings),
      circuits: [...circuits.values()].map(({ view, history, timeline }) => ({
        view,
        history: history.map(packed),
        timeline,
      })),
    };
  }

  changes(): DeltaMessage | 'anew' | undefined {
    const isNew = this.#isNew;
    const views = [...this.#changed].flatMap((id) => this.#state.circuits.get(id)?.view ?? []);
    const delta: DeltaMessage = {
      atMs: Date.now(),
      settings: this.#settings,
      circuits: views,
      removed: this.#removed,
      steps: this.#steps,
      timeline: this.#timeline,
    };
    const isEmpty =
      views.length + this.#removed.length + this.#steps.length + this.#timeline.length === 0 &&
      Object.keys(this.#settings).length === 0;
    this.#begin();
    if (isNew) return 'anew';
    return isEmpty ? undefined : delta;
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  /** Forgets the changes, because they were taken. */
  #begin(): void {
    this.#isNew = false;
    this.#settings = {};
    this.#changed = new Set();
    this.#removed = [];
    this.#steps = [];
    this.#timeline = [];
  }

  #anew(): void {
    this.#isNew = true;
    this.onUrgent?.();
  }

  #read(url: URL, prefix: string): Source {
    const reader = new MessageReader((name) => this.#nameFor(url, name), prefix);
    const placeholder = url.host;
    this.#setProcess(
      { ...UNKNOWN, name: placeholder, error: 'it has not answered yet', sinceMs: Date.now() },
      url,
    );
    return new Source(url, {
      message: (event, data) => {
        if (event === 'snapshot') this.#takeSnapshot(url, reader.snapshot(data));
        else if (event === 'delta') this.#takeDelta(reader.delta(data));
      },
      failed: (reason) => this.#fail(url, reason),
    });
  }

  #takeSnapshot(url: URL, message: SnapshotMessage): void {
    const { processes, settings, circuits } = this.#state;
    for (const [name, of] of this.#names) {
      if (of !== url) continue;
      processes.delete(name);
      this.#names.delete(name);
      for (const [id, { view }] of circuits) if (view.process === name) circuits.delete(id);
    }
    const given = stateOf(message);
    for (const process of given.processes.values()) this.#setProcess(process, url);
    for (const [name, value] of given.settings) settings.set(name, value);
    for (const [id, circuit] of given.circuits) circuits.set(id, circuit);
    forgetUnused(this.#state);
    this.#anew();
  }

  #takeDelta(message: DeltaMessage): void {
    const { circuits, removed, timeline } = apply(this.#state, bounded(this.#state, message));
    forgetUnused(this.#state);
    for (const { id } of circuits) this.#changed.add(id);
    if (removed.length > 0) this.#removed.push(...(message.removed ?? []));
    if ((message.processes?.length ?? 0) > 0) this.#isNew = true;
    Object.assign(this.#settings, message.settings);
    this.#steps.push(...(message.steps ?? []));
    this.#timeline.push(...timeline);
    if (timeline.length > 0) this.onUrgent?.();
  }

  /** Marks the processes of a source as not reached. Their circuits stay on the page as they were last seen. */
  #fail(url: URL, reason: string): void {
    for (const [name, of] of this.#names) {
      const process = of === url ? this.#state.processes.get(name) : undefined;
      if (process === undefined || process.error === reason) continue;
      const sinceMs = process.error === null ? Date.now() : process.sinceMs;
      this.#state.processes.set(name, { ...process, error: reason, sinceMs });
      this.#anew();
    }
  }

  #setProcess(process: ProcessView, url: URL): void {
    this.#names.set(process.name, url);
    this.#state.processes.set(process.name, process);
  }

  /** A name that no process of another source has: several processes may give themselves the same name. */
  #nameFor(url: URL, name: string): string {
    const isFree = (wanted: string) => (this.#names.get(wanted) ?? url) === url;
    const names = [name, `${name} at ${url.host}`, `${name} at ${url.host}${url.pathname}`];
    return names.find(isFree) ?? `${name} at ${url.href}`;
  }
}
