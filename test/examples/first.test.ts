import { readFileSync } from 'node:fs';
import { startMockServer } from 'failsoft/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OWN_HOST } from '../support/own-host.js';
import { path, run } from './support.js';

const FILE = 'examples/first/main.ts';
const page = readFileSync(path('docs/first-program.md'), 'utf8');

describe('a program of your own', () => {
  it('is the file of the docs, word for word, and is plain JavaScript', () => {
    const [, block = ''] = /```js\n(.*?)```/s.exec(page) ?? [];
    expect(block).toBe(readFileSync(path(FILE), 'utf8'));
    expect(block).not.toMatch(/: (string|number)|\bas [A-Z]|import type/);
  });

  it('answers from the model, and while it is gone from its last answer', { timeout: 120_000 }, async () => {
    const server = await startMockServer({ models: ['demand-large'], host: OWN_HOST });
    onTestFinished(() => server.close());
    process.env.ADDRESS = server.address;
    const program = run(FILE);
    delete process.env.ADDRESS;
    await program.prints(' from primary\n');
    await server.kill();
    await program.prints(' from last-good\n');
    await program.prints('closed -> open: consecutive-failures 5 >= 5\n');
    program.process.kill('SIGTERM');
    expect([await program.ended(), program.stderr()]).toEqual(['SIGTERM', '']);
  });
});
