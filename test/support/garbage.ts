import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects garbage, until nothing more is wanted or often enough for anything that can be collected. */
export async function collectGarbage(isEnough: () => boolean): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  for (let n = 0; n < 20 && !isEnough(); n++) {
    await new Promise(setImmediate);
    gc();
  }
}
