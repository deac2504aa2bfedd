import type { Clock } from '../../clock.js';
import { invalid } from '../../errors.js';
import { checkFaultPlan } from './check-plan.js';
import type { FaultPlan } from './plan.js';

/** Called when the faults of a model have changed. */
export type FaultListener = (model: string, plan: FaultPlan) => void;

/** The faults of a server's models, to set and read while it runs. */
export class FaultBoard {
  readonly #clock: Clock;
  readonly #plans = new Map<string, { readonly plan: FaultPlan; readonly setAt: number }>();
  readonly #listener: FaultListener;

  constructor(models: readonly string[], clock: Clock, listener: FaultListener) {
    this.#clock = clock;
    this.#listener = listener;
    for (const model of models) this.#plans.set(model, { plan: {}, setAt: clock.now() });
  }

  /** The models that can have faults. */
  get models(): readonly string[] {
    return [...this.#plans.keys()];
  }

  /**
   * Replaces the faults of a model or service, for calls from now on; `warmUp` starts now. A call that waits in the queue keeps its
   * fate (error, hang) and takes the new latency. A call that runs or hangs does not change.
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an unknown model, or for a bad plan; nothing changes then
   */
  set(model: string, plan: FaultPlan): void {
    this.#known(model);
    const checked = checkFaultPlan('faults', plan);
    this.#plans.set(model, { plan: checked, setAt: this.#clock.now() });
    this.#listener(model, checked);
  }

  /** The faults of a model or service. @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an unknown model */
  get(model: string): FaultPlan {
    return this.#known(model).plan;
  }

  /**
   * Ends the faults of a model or service, or of all of them.
   * @param model @default all models and services
   * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT for an unknown model
   */
  clear(model?: string): void {
    for (const name of model === undefined ? this.models : [model]) this.set(name, {});
  }

  /** Milliseconds since the plan of a model was set. */
  ageMs(model: string): number {
    return this.#clock.now() - this.#known(model).setAt;
  }

  #known(model: string) {
    const entry = this.#plans.get(model);
    if (!entry) throw invalid('model', `one of ${this.models.join(', ')}`, model);
    return entry;
  }
}
