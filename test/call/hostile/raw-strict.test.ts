import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../../support/call-script.js';
import { HOSTILE_ANSWERS } from './raw-answers.js';
import { CHAINS } from './two-clients.js';

const run = promisify(execFile);
const child = fileURLToPath(new URL('./raw-child.ts', import.meta.url));

describe('a process whose servers send whatever they like', () => {
  it.each(['enforce', 'observe'])('lives on, whichever chain there is, in %s', async (mode) => {
    const flags = ['--unhandled-rejections=strict', '--import', 'tsx'];
    const { stdout } = await run(process.execPath, [...flags, child, mode]);
    const calls = Object.keys(CHAINS).length * KINDS.length * Object.keys(HOSTILE_ANSWERS).length;
    expect(JSON.parse(stdout)).toEqual({ calls, left: [] });
  });
});
