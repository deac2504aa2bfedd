import { defaultPrediction, FallbackRegistry, provenanceOf } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoClient, echoService, startEchoServer } from '../support/echo-service.js';
import { createGuard } from '../support/guard.js';

const closers = closedAfterEach();

/** An answer as a framework hands it on that hides the headers. */
async function answerOf(options: { rememberProvenance?: boolean; isolated: boolean }): Promise<object> {
  const { isolated, ...own } = options;
  const server = await startEchoServer();
  const fallbacks = new FallbackRegistry().register(echoService.unary, [
    defaultPrediction({ text: 'default' }),
  ]);
  const guard = createGuard({ fallbacks, ...own });
  if (isolated) guard.circuit(echoService.unary).isolate();
  const client = echoClient(server.address, { interceptors: [guard.interceptor] });
  closers.push(
    () => server.close(),
    () => client.close(),
    () => guard.close(),
  );
  const { value } = await callUnary(client, 'one');
  if (value === undefined) throw new Error('no answer');
  return value;
}

/** The memory is the process's: a guard of another test may have made it. It is put back afterwards. */
function forgetMemory(): void {
  const name = Symbol.for('failsoft.provenance');
  const memory = Object.getOwnPropertyDescriptor(globalThis, name);
  Reflect.deleteProperty(globalThis, name);
  closers.push(() => {
    Reflect.deleteProperty(globalThis, name);
    if (memory !== undefined) Object.defineProperty(globalThis, name, memory);
  });
}

describe('where an answer came from, read from the answer', () => {
  it('is not known where no guard remembers it', async () => {
    forgetMemory();
    const answer = await answerOf({ isolated: true });
    expect(() => provenanceOf(answer)).toThrow(
      'provenanceOf(answer): expected Metadata, or a guard with rememberProvenance: true, got an object {text}',
    );
  });

  it('is remembered for an answer of a fallback', async () => {
    const answer = await answerOf({ rememberProvenance: true, isolated: true });
    expect(provenanceOf(answer)).toEqual({
      source: 'default',
      degraded: true,
      cause: 'ISOLATED',
      ageMs: undefined,
      upstream: undefined,
    });
  });

  it("is the primary for the primary's own", async () => {
    const answer = await answerOf({ rememberProvenance: true, isolated: false });
    expect(provenanceOf(answer)).toMatchObject({ source: 'primary', degraded: false });
  });
});
