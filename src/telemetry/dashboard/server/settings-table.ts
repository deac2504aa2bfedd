import type { CircuitSettings } from '../../../guard/guard-options.js';

/** Most different settings that are remembered by name. Beyond that, all are forgotten, and named again. */
const MOST_SETTINGS = 1_000;
const NONE = '';

/** Gives names to the different settings of circuits, so that a message has each of them only once. */
export class SettingsTable {
  readonly #names = new Map<string, string>();
  readonly #entries = new Map<string, CircuitSettings>();
  #fresh = new Map<string, CircuitSettings>();
  /** The JSON of circuits' options, which are frozen. Made once for each: to make it for each circuit would be the largest cost. */
  readonly #json = new WeakMap<object, string>();
  #count = 0;

  nameOf(settings: CircuitSettings | undefined): string {
    if (settings === undefined) return NONE;
    const { circuit, ...method } = steadied(settings);
    const text = `${circuit === undefined ? '' : this.#jsonOf(circuit)} ${Object.values(method).join(' ')}`;
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (this.#names.size >= MOST_SETTINGS) {
      this.#names.clear();
      this.#entries.clear();
    }
    const name = `s${this.#count++}`;
    this.#names.set(text, name);
    this.#entries.set(name, { circuit, ...method });
    this.#fresh.set(name, { circuit, ...method });
    return name;
  }

  all(): Record<string, CircuitSettings> {
    return Object.fromEntries(this.#entries);
  }

  /** The settings since the last call; undefined if there are none. */
  takeNew(): Record<string, CircuitSettings> | undefined {
    if (this.#fresh.size === 0) return undefined;
    const taken = Object.fromEntries(this.#fresh);
    this.#fresh = new Map();
    return taken;
  }

  #jsonOf(options: object): string {
    const known = this.#json.get(options);
    if (known !== undefined) return known;
    const json = JSON.stringify(options);
    if (Object.isFrozen(options)) this.#json.set(options, json);
    return json;
  }
}

/**
 * Rounds a soft deadline that follows the model to two digits: it changes with each answer, and each message would have all settings
 * again. A soft deadline in whole milliseconds is the user's own, and is not rounded.
 */
function steadied(settings: CircuitSettings): CircuitSettings {
  const { fallbackAfterMs: ms } = settings;
  return Number.isInteger(ms) ? settings : { ...settings, fallbackAfterMs: Number(ms.toPrecision(2)) };
}
