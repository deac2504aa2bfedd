import { readFileSync } from 'node:fs';
import { expect, vi } from 'vitest';
import type { DemoResult } from '../../examples/demo/record.js';
import { OWN_HOST } from '../support/own-host.js';
import { DEMO, listens, type Program, run } from './support.js';

/** The demo without a terminal, on an address of this process alone. */
export function runDemo(...options: readonly string[]): Program {
  return run(DEMO, '--host', OWN_HOST, '--headless', ...options);
}

/** What it wrote to its `--json` file. */
export function readResult(file: string): DemoResult {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Both servers' addresses, from the demo's first line. */
function addresses(program: Program): string[] {
  return program.stdout().match(/\d+\.\d+\.\d+\.\d+:\d+/g) ?? [];
}

export async function expectServersGone(program: Program): Promise<void> {
  const servers = addresses(program);
  expect(servers).toHaveLength(2);
  for (const server of servers) {
    await vi.waitUntil(async () => !(await listens(server)), { timeout: 60_000, interval: 100 });
  }
}
