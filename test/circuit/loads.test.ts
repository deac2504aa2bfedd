import { expect, it } from 'vitest';

/**
 * Every other test imports the circuit before its first test begins. If the circuit cannot be loaded, such a file fails without a
 * failed test, and mutation testing counts only failed tests.
 */
it('the circuit can be loaded', async () => {
  const { defaults } = await import('../../src/circuit/index.js');
  expect(defaults.mode).toBe('enforce');
});
