import { Connection } from '../call/connection.js';
import type { MethodGuard } from '../call/method-guard.js';
import type { GuardCore } from './guard-core.js';
import type { SettingsResolver } from './method-settings.js';

/** How many methods are kept; bounded, because a method's name may be a caller's text. */
const MOST_METHODS = 1000;

/** The methods of calls that do not come through an interceptor of grpc-js, by target and name. */
export class NeutralMethods {
  readonly #core: GuardCore;
  readonly #known = new Map<string, MethodGuard>();
  /** The settings with which the known methods were made. */
  #settings: SettingsResolver | undefined;

  constructor(core: GuardCore) {
    this.#core = core;
  }

  /** Undefined for a method that is not guarded, and after the guard is closed. */
  of(target: string, path: string): MethodGuard | undefined {
    const { isClosed, settings } = this.#core;
    if (isClosed) return undefined;
    if (this.#settings !== settings || this.#known.size >= MOST_METHODS) {
      this.#settings = settings;
      this.#known.clear();
    }
    const name = `${target}\0${path}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const made = this.#core.method(target, path, new Connection());
    if (made !== undefined) this.#known.set(name, made);
    return made;
  }
}
