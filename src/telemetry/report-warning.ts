/** The property of a guard that takes errors of users' functions from other entry points, whichever format they were loaded in. */
export const REPORT_WARNING: unique symbol = Symbol.for('failsoft.report-warning');

/** Gets an error of a user's function, and the name of the function. */
export type ReportWarning = (error: unknown, source: string) => void;

/** Reports as the guard does: the event `warning`, and a process warning for each new error. Undefined for what is no such guard. */
export function reportWarningOf(guard: object): ReportWarning | undefined {
  const report: unknown = Reflect.get(guard, REPORT_WARNING);
  return typeof report === 'function' ? (error, source) => void report.call(guard, error, source) : undefined;
}
