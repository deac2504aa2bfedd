import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * A Python that has tritonclient: FAILSOFT_TRITON_PYTHON, which the gate sets, or python3. Undefined where there is none; then its test is
 * skipped.
 */
export async function tritonPython(): Promise<string | undefined> {
  for (const python of [process.env.FAILSOFT_TRITON_PYTHON, 'python3']) {
    if (python === undefined || python === '') continue;
    try {
      await promisify(execFile)(python, ['-c', 'import tritonclient.grpc, numpy'], { timeout: 20_000 });
      return python;
    } catch {
      // the next one
    }
  }
  return undefined;
}
