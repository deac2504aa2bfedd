import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { path, run } from './support.js';

const FILE = 'examples/quickstart/main.ts';
const printed = [
  expect.stringMatching(/^all is well: level [0-4] from primary$/),
  expect.stringMatching(/^the large model is dead: level [0-4] from last-good$/),
  expect.stringMatching(/^an input that it never saw: level [0-4] from secondary:small$/),
  '/inference.GRPCInferenceService/ModelInfer#demand-large closed -> open consecutive-failures 5 >= 5',
  'both are dead: level 2 from default',
];

describe('the quickstart', () => {
  it('gets an answer from each source in turn', { timeout: 120_000 }, async () => {
    const program = run(FILE);
    expect(await program.ended(), program.stderr()).toBe(0);
    expect(program.stderr()).toBe('');
    expect(program.stdout().trim().split('\n')).toEqual(printed);
  });

  it("has the README's first snippet, word for word", () => {
    const [, snippet = 'none'] = /```ts\n(.*?)```/s.exec(readFileSync(path('README.md'), 'utf8')) ?? [];
    expect(readFileSync(path(FILE), 'utf8')).toContain(`\n${snippet}\n`);
  });

  it("prints the README's lines, but for the levels", () => {
    const [, output = ''] =
      /It prints:\n\n```text\n(.*?)\n```/s.exec(readFileSync(path('README.md'), 'utf8')) ?? [];
    expect(output.split('\n')).toEqual(printed);
  });
});
