import { afterEach } from 'vitest';

/** What a test file opens: `closers.push(() => server.close())`. Closed after each test, in reverse order. */
export function closedAfterEach(): (() => unknown)[] {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  return closers;
}
