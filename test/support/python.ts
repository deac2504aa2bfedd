import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * A Python that has these modules: the one that the variable names, which the gate sets, or python3. Undefined where there is none; then the
 * test that needs it is skipped.
 */
export async function pythonWith(modules: string, variable: string): Promise<string | undefined> {
  for (const python of [process.env[variable], 'python3']) {
    if (python === undefined || python === '') continue;
    try {
      await promisify(execFile)(python, ['-c', `import ${modules}`], { timeout: 20_000 });
      return python;
    } catch {
      // the next one
    }
  }
  return undefined;
}
