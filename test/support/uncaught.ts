/** Collects the errors that nobody caught, which would end the process; `closers` get what puts the listeners back. */
export function uncaughtErrors(closers: (() => unknown)[]): string[] {
  const errors: string[] = [];
  const collect = (error: unknown) => errors.push(error instanceof Error ? error.message : String(error));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    const name = event as 'uncaughtException'; // the two signatures of process.on() do not unite
    const others = process.listeners(name);
    process.removeAllListeners(event);
    process.on(name, collect);
    closers.push(() => {
      process.removeListener(event, collect);
      for (const other of others) process.on(name, other);
    });
  }
  return errors;
}
