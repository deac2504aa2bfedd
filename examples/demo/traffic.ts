import { type DemandModelName, type LabelledInput, labelledInputs, seededRandom } from 'failsoft/testing';

/** Calls per second, on average, but for slow motion. */
export const RATE = 150;
/** This share of the calls ask about one of the popular inputs, the others about inputs that nobody asked about before. */
export const POPULAR_SHARE = 0.4;
export const POPULAR_INPUTS = 100;
export const PRIMARY_MODEL: DemandModelName = 'demand-large';

/** Seeds 1 and 2 of the inputs are the models' training and held-out data: neither may be asked here. */
const FIRST_INPUT_SEED = 1_000;

/** The questions of the traffic: the same seed gives the same ones. */
export function* questions(seed: number): Generator<LabelledInput, never, undefined> {
  const random = seededRandom(seed);
  const inputs = labelledInputs(FIRST_INPUT_SEED + seed);
  const popular = Array.from({ length: POPULAR_INPUTS }, () => inputs.next().value);
  for (;;) {
    const again = random() < POPULAR_SHARE ? popular[Math.floor(random() * popular.length)] : undefined;
    yield again ?? inputs.next().value;
  }
}

/**
 * Calls `send` at `rate` per second, at random times (a Poisson process) and whatever became of the earlier calls: callers do not
 * wait for one another.
 * @returns stops it
 */
export function startTraffic(seed: number, rate: number, send: (input: LabelledInput) => void): () => void {
  const random = seededRandom(seed + 1);
  const inputs = questions(seed);
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
