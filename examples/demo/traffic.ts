import { type DemandModelName, type LabelledInput, labelledInputs, seededRandom } from 'failsoft/testing';

/** Mean number of calls per second; in slow motion it is divided by `--slow`. */
export const RATE = 150;
/** Share of the calls that send a popular input, 0 to 1. All other calls send new inputs. */
export const POPULAR_SHARE = 0.4;
export const POPULAR_INPUTS = 100;
export const PRIMARY_MODEL: DemandModelName = 'demand-large';

/** Seeds 1 and 2 are the models' training and held-out data, which must not be sent here. */
const FIRST_INPUT_SEED = 1_000;

/** The inputs of the traffic. The same seed gives the same inputs. */
export function* trafficInputs(seed: number): Generator<LabelledInput, never, undefined> {
  const random = seededRandom(seed);
  const inputs = labelledInputs(FIRST_INPUT_SEED + seed);
  const popular = Array.from({ length: POPULAR_INPUTS }, () => inputs.next().value);
  for (;;) {
    const repeated = random() < POPULAR_SHARE ? popular[Math.floor(random() * popular.length)] : undefined;
    yield repeated ?? inputs.next().value;
  }
}

/**
 * Calls `send` at `rate` per second, at random times (a Poisson process). It does not wait for earlier calls to end:
 * independent callers would not wait either.
 * @returns a function that stops the traffic
 */
export function startTraffic(seed: number, rate: number, send: (input: LabelledInput) => void): () => void {
  const random = seededRandom(seed + 1);
  const inputs = trafficInputs(seed);
  let dueMs = performance.now();
  let timer: NodeJS.Timeout;
  const sendDue = () => {
    const nowMs = performance.now();
    while (dueMs <= nowMs) {
      send(inputs.next().value);
      dueMs += (-Math.log(1 - random()) * 1_000) / rate;
    }
    timer = setTimeout(sendDue, dueMs - nowMs);
  };
  sendDue();
  return () => clearTimeout(timer);
}
