/** A call whose circuit depends on its first message. */
interface Undecided {
  /** Decides with what it knows, unless it has decided. */
  decideLate(): void;
}

/** Calls of this turn whose message, one would expect, came in it: one tick for all of them. */
const waiting: Undecided[] = [];

/**
 * Has a call decide without its first message when that does not come in time. At most one tick: a server that speaks
 * first would wait for ever.
 * @param streamed a unary message comes in this very turn; a piped one needs a turn of the event loop
 */
export function awaitFirstMessage(call: Undecided, streamed: boolean): void {
  if (streamed) setImmediate(decideLate, call);
  else if (waiting.push(call) === 1) process.nextTick(decideWaiting);
}

function decideLate(call: Undecided): void {
  call.decideLate();
}

function decideWaiting(): void {
  for (const call of waiting.splice(0)) call.decideLate();
}
