import { createGuard, FallbackRegistry, type Guard } from 'failsoft';
import { ManualClock } from 'failsoft/testing';
import { expect, onTestFinished } from 'vitest';
import type { StoryClient } from './library.js';

/** A server that a story can break. */
export interface StoryServer {
  readonly address: string;
  setDown(isDown: boolean): void;
  close(): void | Promise<void>;
}

/** A client library, its server, and how a guard is attached. */
export interface Told {
  serve(): Promise<StoryServer>;
  circuitKey(address: string): string;
  /** Adds the chain of the story: the last good answer, then -1. */
  register(fallbacks: FallbackRegistry, address: string): void;
  connect(address: string, guard: Guard): StoryClient | Promise<StoryClient>;
}

/** The demo's story in short: a server is well, fails until the circuit opens, and is well again. */
export async function tellStory(told: Told): Promise<void> {
  const clock = new ManualClock();
  const server = await told.serve();
  const fallbacks = new FallbackRegistry();
  told.register(fallbacks, server.address);
  const guard = createGuard({ clock, fallbacks, rememberProvenance: true });
  const client = await told.connect(server.address, guard);
  onTestFinished(async () => {
    client.close();
    await guard.close();
    await server.close();
  });
  const circuitKey = told.circuitKey(server.address);
  const circuit = () => guard.snapshots().find((each) => each.circuitKey === circuitKey);
  const ask = (value: number) => client.ask(value);

  expect(await ask(1)).toEqual({ answer: 1, source: 'primary' });
  server.setDown(true);
  expect(await ask(1)).toEqual({ answer: 1, source: 'last-good' });
  expect(await ask(2)).toEqual({ answer: -1, source: 'default' });
  for (let failures = 3; failures <= 5; failures++) await ask(1);
  expect(circuit()?.state).toBe('open');
  const admitted = circuit()?.totals.admitted;
  expect(await ask(1)).toEqual({ answer: 1, source: 'last-good' });
  expect(circuit()?.totals.admitted).toBe(admitted);
  server.setDown(false);
  clock.advance(60_000);
  expect(await ask(3)).toEqual({ answer: 3, source: 'primary' });
  expect(circuit()?.state).toMatch(/recovering|closed/);
}
