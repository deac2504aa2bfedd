/**
 * The property of a guard through which other entry points report errors of users' functions. It is a global symbol, because an entry
 * point may have been loaded in another format (ESM or CommonJS) than the guard.
 */
export const REPORT_WARNING: unique symbol = Symbol.for('failsoft.report-warning');

/** Reports an error of a user's function. @param source the name of the function */
export type ReportWarning = (error: unknown, source: string) => void;

/** The reporter of a guard: it emits `warning`, and writes a process warning for each new error. Undefined for any other object. */
export function reportWarningOf(guard: object): ReportWarning | undefined {
  const report: unknown = Reflect.get(guard, REPORT_WARNING);
  return typeof report === 'function' ? (error, source) => void report.call(guard, error, source) : undefined;
}
