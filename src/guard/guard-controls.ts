import { checkKeys, checkOneOf } from '../checks.js';
import { checkSnapshot } from '../circuit/index.js';
import { CIRCUIT_MODES, type Circuit, type CircuitMode } from '../circuit/types.js';
import { FailsoftError, invalid } from '../errors.js';
import { splitKey } from '../key/circuit-key.js';
import { asKeyPart } from '../key/key-part.js';
import type { GuardCore } from './guard-core.js';
import { type GuardSettings, SETTING_KEYS } from './guard-options.js';

/** The methods by which a user changes a guard: gets circuits, restores them, and sets settings and modes. */
export class GuardControls {
  readonly #core: GuardCore;

  constructor(core: GuardCore) {
    this.#core = core;
  }

  circuit(method: { readonly path: string } | string, part = ''): Circuit {
    const path: unknown = typeof method === 'string' ? method : method?.path;
    if (typeof path !== 'string') throw invalid('circuit(method)', 'a method definition or a path', method);
    if (typeof part !== 'string') throw invalid('circuit(method, part)', 'a string', part);
    const key = splitKey(path);
    if (part !== '' && key.part !== '')
      throw invalid('circuit(method, part)', 'no part beside that of the key', part);
    const wanted = part === '' ? key.part : part;
    return this.#core.registry.slot(key.target, key.method, asKeyPart(wanted)).circuit;
  }

  restore(snapshots: unknown): void {
    if (!Array.isArray(snapshots)) throw invalid('snapshots', 'an array of snapshots', snapshots);
    const checked = snapshots.map((snapshot: unknown, index) => {
      const field = `snapshots[${index}]`;
      checkSnapshot(snapshot, field);
      return { snapshot, field, key: splitKey(snapshot.circuitKey) };
    });
    for (const { snapshot, field, key } of checked) {
      const { circuit } = this.#core.registry.slot(key.target, key.method, asKeyPart(key.part));
      circuit.restore(snapshot, field);
    }
  }

  reconfigure(settings: GuardSettings): void {
    checkKeys('options', settings, SETTING_KEYS);
    const { capabilities, name } = this.#core.engine;
    if (!capabilities.reconfigure)
      throw new FailsoftError('FAILSOFT_UNSUPPORTED', `reconfigure(): engine ${name} does not support it`);
    this.#core.use(this.#core.resolver(settings));
  }

  setMode(mode: CircuitMode): void {
    this.#core.registry.setMode(checkOneOf('setMode(mode)', mode, CIRCUIT_MODES));
  }
}
