import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../../support/call-script.js';
import { compiled } from '../../support/compiled.js';
import { inFull } from '../../support/long.js';
import { HOSTILE_ANSWERS } from './raw-answers.js';

const run = promisify(execFile);
const child = compiled('test/call/hostile/raw-child.ts');

/** Each answer goes to calls of one kind in `npm test`, and to calls of all four in the gate. */
const STEP = inFull(1, KINDS.length);

describe('a process whose servers send whatever they like', () => {
  // What each caller sees is raw-answers.test.ts's to compare: here are the chains that have their story told.
  it.each([
    ['enforce', ['a chain that declines', 'a chain that rejects with what cannot be shown']],
    ['observe', ['a chain that throws', 'a chain that answers later']],
  ])('lives on, in %s, with %j', async (mode, chains) => {
    const args = ['--unhandled-rejections=strict', child, mode, String(STEP), ...chains];
    const { stdout } = await run(process.execPath, args);
    const calls = (chains.length * KINDS.length * Object.keys(HOSTILE_ANSWERS).length) / STEP;
    expect(JSON.parse(stdout)).toEqual({ calls, left: [] });
  });
});
