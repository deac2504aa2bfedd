import { setTimeout as startTimer } from 'node:timers';
import { setImmediate, setTimeout } from 'node:timers/promises';
import {
  type CallOptions,
  type Interceptor,
  Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { DEFAULT_TABLE, FallbackRegistry, type FallbackStrategy, type Guard } from 'failsoft';
import type { Kind } from '../../support/call-script.js';
import { type EchoClient, echoClient, echoService, type Message } from '../../support/echo-service.js';
import { startRawServer } from '../../support/raw-server.js';
import { play, type RawAnswer } from './raw-steps.js';

/** What a caller saw of one call, in order. */
export interface Seen {
  readonly events: readonly string[];
  readonly code: number;
}

/** A caller that is still waiting then waits for ever. */
const FOR_EVER_MS = 10_000;
const NEVER: Seen = { events: ['never ends'], code: -1 };

/**
 * Waits until everything that is under way in this process has arrived. It counts turns of the event loop, each of which
 * takes in what the sockets have, because a time would be too short on a busy machine and too long on a quiet one.
 */
export async function quiet(): Promise<void> {
  await setTimeout(10); // also what waits for a short timer
  await turns(200);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
}

/**
 * Makes one call of a kind, sends two messages where it can, reads everything, and writes down all that comes.
 * @param hangs whether the call is known never to end: it is then cancelled when nothing comes any more
 */
export function observe(
  client: EchoClient,
  kind: Kind,
  options: CallOptions = {},
  hangs = false,
): Promise<Seen> {
  const events: string[] = [];
  const answered = (error: ServiceError | null, value?: Message) => {
    events.push(error ? `error ${codeOf(error)} ${detailsOf(error)}` : `value ${value?.text}`);
  };
  return new Promise((resolve) => {
    const watched = watch(client, kind, options, answered);
    const giveUp = () => {
      resolve({ ...NEVER, events: [...events, ...NEVER.events] });
      watched.cancel();
    };
    const waiting = startTimer(giveUp, FOR_EVER_MS);
    if (hangs) void quiet().then(giveUp);
    watched.on('metadata', () => events.push('metadata'));
    watched.on('data', ({ text }: Message) => events.push(`data ${text}`));
    watched.on('end', () => events.push('end'));
    watched.on('error', (error: ServiceError) => answered(error));
    watched.on('status', (ended: StatusObject) => {
      events.push(`status ${codeOf(ended)} ${detailsOf(ended)} ${keysOf(ended.metadata)}`);
      clearTimeout(waiting);
      const known = codeOf(ended);
      const code = typeof known === 'number' ? known : status.UNKNOWN;
      // A second status, or a message behind it, would come in the next turns.
      void turns(4).then(() => resolve({ events, code }));
    });
  });
}

function watch(
  client: EchoClient,
  kind: Kind,
  options: CallOptions,
  answered: (error: ServiceError | null, value?: Message) => void,
): NodeJS.EventEmitter & { cancel(): void } {
  const metadata = new Metadata();
  switch (kind) {
    case 'unary':
      return client.unary({ text: 'a' }, metadata, options, answered);
    case 'serverStream':
      return client.serverStream({ text: 'a' }, metadata, options);
    case 'clientStream': {
      const call = client.clientStream(metadata, options, answered);
      call.write({ text: 'a' });
      call.end({ text: 'b' });
      return call;
    }
    case 'bidi': {
      const call = client.bidi(metadata, options);
      call.write({ text: 'a' });
      call.end({ text: 'b' });
      return call;
    }
  }
}

/** What is no code of gRPC: grpc-js gives it to its caller as it is. A guard's caller gets UNKNOWN. */
function codeOf({ code }: { readonly code: unknown }): number | string {
  return typeof code === 'number' && Number.isInteger(code) && code >= 0 && code <= 16
    ? code + 0
    : `<${String(code)}>`;
}

const UNKNOWN_CODE = /^(error|status) <(.*?)> ("(?:[^"\\]|\\.)*")(.*)$/s;

/** An event of an unguarded call as a guard's caller has to see it: without a code that gRPC does not have. */
function withCodeOfGrpc(event: string): string {
  return event.replace(UNKNOWN_CODE, (_event, what: string, code: string, details: string, rest: string) => {
    const came = code === 'undefined' ? 'the status has no code' : `the status code was ${code}`;
    const text: string = JSON.parse(details);
    return `${what} ${status.UNKNOWN} ${JSON.stringify(text === '' ? came : `${text} (${came})`)}${rest}`;
  });
}

/** Without what differs from run to run: times, addresses, and how the loss of a connection is noticed first. */
function detailsOf({ code, details }: { readonly code: number; readonly details: unknown }): string {
  const lost = code === status.UNAVAILABLE && /ECONN|EPIPE|Connection dropped|socket/i.test(String(details));
  if (code === status.DEADLINE_EXCEEDED && String(details).startsWith('Deadline exceeded'))
    return '(deadline)';
  return lost ? '(connection lost)' : JSON.stringify(details ?? '');
}

/** The names of trailers, without the one that tells the story of the fallbacks. */
function keysOf(metadata: unknown): string {
  if (!(metadata instanceof Metadata)) return ''; // grpc-js gives its caller what there is; no more is promised
  const keys = Object.keys(metadata.toJSON());
  return keys.filter((key) => key !== 'grpc-status-details-bin' && key !== 'date').join();
}

type Strategy = FallbackStrategy<Message, Message>;

const unshowable = {
  toString(): string {
    throw new Error('not even this');
  },
};

/** A chain per way of answering; each is registered for all four kinds. */
export const CHAINS: Readonly<Record<string, Strategy | undefined>> = {
  'no chain': undefined,
  'a chain that declines': { name: 'default', answer: () => undefined },
  'a chain that throws': {
    name: 'default',
    answer: () => {
      throw Object.assign(new Error('half a pair: \ud83d'), { code: Number.NaN, details: '\udc00' });
    },
  },
  'a chain that rejects with what cannot be shown': {
    name: 'default',
    answer: () => Promise.reject(unshowable),
  },
  'a chain that answers': {
    name: 'default',
    answer: () => ({ message: { text: 'fallback' }, source: 'default' }),
  },
  'a chain that answers later': {
    name: 'default',
    answer: () => Promise.resolve({ message: { text: 'fallback' }, source: 'default' }),
  },
};

/** An empty registry where there is no strategy. */
export function fallbacksOf(strategy: Strategy | undefined): FallbackRegistry {
  const registry = new FallbackRegistry();
  if (strategy === undefined) return registry;
  for (const method of Object.values(echoService)) registry.register(method, [strategy]);
  return registry;
}

/** A client, guarded or not, with a hostile server of its own. */
export interface RawClient {
  /** Has the server give this answer to one call. */
  ask(answer: RawAnswer, kind: Kind, deadlineMs?: number): Promise<Seen>;
  close(): void;
}

export async function rawClient(interceptors: readonly Interceptor[] = []): Promise<RawClient> {
  const server = await startRawServer();
  const quickly = { 'grpc.initial_reconnect_backoff_ms': 10, 'grpc.max_reconnect_backoff_ms': 10 };
  const client = echoClient(server.address, { ...quickly, interceptors: [...interceptors] });
  return {
    ask: (answer, kind, deadlineMs) => {
      const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
      server.answer = (stream) => void play(answer, stream);
      return observe(client, kind, options);
    },
    close: () => {
      client.close();
      server.close();
    },
  };
}

/** An unguarded and a guarded client. */
export interface TwoClients {
  /** Has both servers give this answer to one call of each client. */
  ask(
    answer: RawAnswer,
    kind: Kind,
    deadlineMs?: number,
  ): Promise<{ readonly plain: Seen; readonly guarded: Seen }>;
  close(): void;
}

export async function twoClients(interceptors: readonly Interceptor[]): Promise<TwoClients> {
  const unguarded = await rawClient();
  const attached = await rawClient(interceptors);
  return {
    ask: async (answer, kind, deadlineMs) => {
      const [plain, guarded] = await Promise.all([
        unguarded.ask(answer, kind, deadlineMs),
        attached.ask(answer, kind, deadlineMs),
      ]);
      return { plain, guarded };
    },
    close: () => {
      unguarded.close();
      attached.close();
    },
  };
}

/** How a guarded caller's view differs from what it should be; undefined where it does not. */
export function difference(plain: Seen, guarded: Seen, chain: string): unknown {
  const wanted = expected(plain, chain);
  const same = wanted === 'fallback' ? isFallback(guarded) : wanted.join('\n') === guarded.events.join('\n');
  return same ? undefined : { wanted, got: guarded.events };
}

/** What a guarded caller is to see where the unguarded one saw `plain`. */
function expected(plain: Seen, chain: string): readonly string[] | 'fallback' {
  const outcome = DEFAULT_TABLE[plain.code as status];
  const isCallers = outcome === 'success' || outcome === 'caller-error';
  const isTooLarge = plain.events.some((event) => /^error 8 .*larger than/.test(event));
  const isReplaceable = !isCallers && !isTooLarge && !plain.events.some((event) => event.startsWith('data'));
  // An answer that takes its time comes too late where the time is over.
  const isLate = chain.includes('later') && plain.events.some((event) => event.includes('(deadline)'));
  const answers = chain.includes('answers') && isReplaceable && !isLate;
  return answers ? 'fallback' : plain.events.map(withCodeOfGrpc);
}

/** The events of a call, shortened to what a fallback's answer must look like: headers, one answer, one status. */
function isFallback({ events }: Seen): boolean {
  const rest = events.filter((event) => event !== 'metadata' && event !== 'end');
  return (
    rest.length === 2 &&
    events.includes('metadata') &&
    (rest[0] === 'value fallback' || rest[0] === 'data fallback') &&
    rest[1]?.startsWith('status 0') === true
  );
}

/** What a guard still holds, and what it has not settled: empty when all is well. */
export function unsettled(guard: Guard): readonly string[] {
  return guard.snapshots().flatMap(({ circuitKey: key, inFlight, totals }) => {
    const settled = Object.values(totals.outcomes).reduce((sum, count) => sum + count, totals.stale);
    const problem = `${key}: ${inFlight} in flight, ${settled} of ${totals.admitted} settled`;
    return inFlight === 0 && settled === totals.admitted ? [] : [problem];
  });
}
