import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { path, run } from './support.js';

const FILE = 'examples/quickstart/main.ts';

describe('the quickstart', () => {
  it('answers from each source in turn, and says so', { timeout: 120_000 }, async () => {
    const program = run(FILE);
    expect(await program.ended(), program.stderr()).toBe(0);
    expect(program.stderr()).toBe('');
    expect(program.stdout().trim().split('\n')).toEqual([
      expect.stringMatching(/^all is well: level [0-4] from primary$/),
      expect.stringMatching(/^the large model is dead: level [0-4] from last-good$/),
      expect.stringMatching(/^an input that it never saw: level [0-4] from secondary:small$/),
      '/inference.GRPCInferenceService/ModelInfer#demand-large: closed -> open (failure-rate 0.95 >= 0.50 over 20 calls)',
      'both are dead: level 2 from default',
    ]);
  });

  it("is the README's first snippet, word for word", () => {
    const readme = readFileSync(path('README.md'), 'utf8');
    const [, snippet] = /```ts\n(.*?)```/s.exec(readme) ?? [];
    expect(snippet).toBe(readFileSync(path(FILE), 'utf8'));
  });
});
