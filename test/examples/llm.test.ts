import { expect, it } from 'vitest';
import { run } from './support.js';

it('the LLM example answers each trouble before the first token, and no later one', {
  timeout: 120_000,
}, async () => {
  const program = run('examples/llm/main.ts');
  expect(await program.ended(), program.stderr()).toBe(0);
  expect(program.stderr()).toBe('');
  expect(program.stdout().trim().split('\n')).toEqual([
    'all is well: "all is well" from primary',
    'it stalls after a token: failsoft: no further event within 2000 ms',
    'it is well again: "all is well" from primary',
    'no first token: "all is well" from secondary:small (DEADLINE_EXCEEDED)',
    'it is well once more: "all is well" from primary',
    'the server is down: "all is well" from secondary:small (UNAVAILABLE)',
    '  circuit closed -> open: consecutive-failures 2 >= 2',
    'it is still down: "all is well" from secondary:small (UNAVAILABLE)',
    'the circuit is open: "all is well" from secondary:small (CIRCUIT_OPEN)',
  ]);
});
