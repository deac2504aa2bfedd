import { checkFunction, checkInteger, checkKeys, checkNumber } from '../../checks.js';
import { type Clock, systemClock } from '../../clock.js';
import { REQUEST_KEY_OPTIONS, RequestKey } from '../request-key/request-key.js';
import type { When } from '../strategy.js';
import { checkWhen } from '../when.js';
import { KeptAnswers } from './kept-answers.js';
import { LAST_GOOD_OPTIONS, type LastGoodOptions } from './options.js';

/** The options of a {@link LastGood}, checked, with their defaults. */
export interface LastGoodSettings<Req, Res> {
  readonly when: When;
  readonly key: RequestKey;
  /** The largest age at which an answer may be given. */
  readonly longestMs: number;
  readonly maxMessageBytes: number;
  readonly respond: ((kept: Res, request: Req) => Res) | undefined;
  readonly answers: KeptAnswers;
  readonly clock: Clock;
  readonly storeTimeoutMs: number;
}

/** @throws FailsoftError FAILSOFT_INVALID_ARGUMENT */
export function settingsOf<Req, Res>(options: LastGoodOptions<Req, Res>): LastGoodSettings<Req, Res> {
  checkKeys('lastGood', options, [...REQUEST_KEY_OPTIONS, ...LAST_GOOD_OPTIONS]);
  const when = checkWhen('lastGood.when', options.when ?? 'always');
  const key = new RequestKey(options, 'lastGood');
  const ttlMs = checkNumber('lastGood.ttlMs', options.ttlMs ?? 60_000, 0);
  const longestMs = ttlMs + checkNumber('lastGood.maxStaleMs', options.maxStaleMs ?? 600_000, 0);
  const maxMessageBytes = checkInteger('lastGood.maxMessageBytes', options.maxMessageBytes ?? 2 ** 20, 1);
  const respond = options.response && checkFunction('lastGood.response', options.response);
  const leastEntries = options.store === undefined ? 1 : 0;
  const answers = new KeptAnswers(
    checkInteger('lastGood.maxEntries', options.maxEntries ?? 10_000, leastEntries, 10_000_000),
    checkInteger('lastGood.maxBytes', options.maxBytes ?? 64 * 2 ** 20, 1),
  );
  const clock = options.clock ?? systemClock;
  for (const name of ['now', 'epochMs', 'setTimer'] as const)
    checkFunction(`lastGood.clock.${name}`, clock[name]);
  if (options.onStoreState !== undefined) checkFunction('lastGood.onStoreState', options.onStoreState);
  const storeTimeoutMs = checkNumber('lastGood.storeTimeoutMs', options.storeTimeoutMs ?? 50, 1);
  if (options.store !== undefined) {
    checkFunction('lastGood.store.get', options.store.get);
    checkFunction('lastGood.store.set', options.store.set);
  }
  return { when, key, longestMs, maxMessageBytes, respond, answers, clock, storeTimeoutMs };
}
