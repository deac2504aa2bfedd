import { provenanceOf } from '../../status/provenance.js';
import type { Warnings } from '../../telemetry/warnings.js';
import type { RequestKey } from '../request-key/request-key.js';
import type { PrimaryAnswer } from '../strategy.js';
import type { SkippedAnswers } from './options.js';

const UNKNOWN_CALLER =
  'keeps no answer of a call if nothing proves with which metadata the call was sent. Put the guard last in `interceptors`, or make ' +
  'the client with `guard.clientOptions({ interceptors })`; give an adapter `sendsAsGiven: true` if no code behind it changes the ' +
  'metadata of `vary`; or set `vary: []` if all callers may share answers';

/** Finds out whether the server gave a good answer to the caller under whose key it would be kept. */
export class CallerCheck {
  readonly #key: RequestKey;
  readonly #warnings: Warnings;
  /** Methods whose unknown callers were reported. */
  readonly #warnedOf = new Set<string>();

  constructor(key: RequestKey, warnings: Warnings) {
    this.#key = key;
    this.#warnings = warnings;
  }

  /** Why an answer must not be kept; undefined if it may be kept. The first unknown caller of a method is a warning. */
  reasonToSkip(answer: PrimaryAnswer<unknown, unknown>): keyof SkippedAnswers | undefined {
    const { sentMetadata, sentWithOtherOptions, responseMetadata } = answer;
    if (responseMetadata !== undefined && provenanceOf(responseMetadata).degraded) return 'degraded';
    if (sentWithOtherOptions === true) return 'otherCaller';
    if (sentMetadata?.length === 0 && this.#key.readsMetadata) {
      this.#warnOnce(answer.method);
      return 'unknownCaller';
    }
    if (sentMetadata?.some((sent) => !this.#key.isSameWith(answer, sent))) return 'otherCaller';
    return undefined;
  }

  #warnOnce(path: string): void {
    if (this.#warnedOf.has(path)) return;
    this.#warnedOf.add(path);
    this.#warnings.report(UNKNOWN_CALLER, `lastGood of ${path}`);
  }
}
