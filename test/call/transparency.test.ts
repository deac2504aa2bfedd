import { status } from '@grpc/grpc-js';
import type { Guard } from 'failsoft';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CallLog,
  type CallScript,
  type ClientStep,
  KINDS,
  type Kind,
  runScript,
  ScriptedServer,
  type ServerStep,
} from '../support/call-script.js';
import { type EchoServer, echoClient, ready, startEchoServer } from '../support/echo-service.js';
import { INVISIBLE, KEYS } from '../support/guard-variants.js';
import { inFull } from '../support/long.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

// One server for all tests, which run side by side: each call brings the id of its own script.
const scripted = new ScriptedServer();
let server: EchoServer;
beforeAll(async () => {
  server = await startEchoServer(scripted.handlers);
});
afterAll(() => server.close());

/** The status code of a broken connection depends on how grpc-js found out. */
type ComparedLog = Omit<CallLog, 'code'> & { readonly code: status | undefined };

/** Runs a scenario once, on a connection of its own, without an interceptor or behind a guard. */
async function run(scenario: Scenario, kind: Kind, guard?: Guard): Promise<ComparedLog> {
  const script: CallScript = { kind, request: 'zero', ...scenario.script(kind) };
  const breaks = script.client.some((step) => step.do === 'drop');
  const proxy: Partial<TcpProxy> = breaks ? await startTcpProxy(server.port) : {};
  const address = proxy.address ?? server.address;
  const own = { 'grpc.use_local_subchannel_pool': 1, ...scenario.options };
  const client = echoClient(address, guard ? { ...own, interceptors: [guard.interceptor] } : own);
  if (scenario.connected) await ready(client);
  try {
    const log = await runScript(client, scripted, script, { drop: () => proxy.drop?.() });
    const events = log.events.map((event) => event.replace(` from ${address}`, ' from (server)'));
    return breaks ? { ...log, events: events.map(brokenAlike), code: undefined } : { ...log, events };
  } finally {
    client.close();
    proxy.close?.();
  }
}

/** Without an interceptor a scenario is the same beside every guard: it runs once. */
const withoutGuard = new Map<string, Promise<ComparedLog>>();
function runWithoutGuard(scenario: Scenario, kind: Kind): Promise<ComparedLog> {
  const key = `${kind}, ${scenario.name}`;
  const log = withoutGuard.get(key) ?? run(scenario, kind);
  withoutGuard.set(key, log);
  return log;
}

/** Before 1.13, grpc-js called a broken connection UNAVAILABLE or CANCELLED, as it happened to find out. */
function brokenAlike(event: string): string {
  return event.replace(/^(error|status) 1 "Call cancelled"/, '$1 14 (connection)');
}

const streams = (kind: Kind) => ({
  request: kind === 'clientStream' || kind === 'bidi',
  response: kind === 'serverStream' || kind === 'bidi',
});

/** What the caller sends, and that it has sent all. */
function sending(kind: Kind, ...texts: string[]): ClientStep[] {
  if (!streams(kind).request) return [];
  return [...texts.map((text) => ({ do: 'write', text }) as const), { do: 'end' }];
}

/** What the server answers, then OK. */
function answering(kind: Kind, ...texts: string[]): ServerStep[] {
  if (!streams(kind).response) return [{ do: 'end', text: texts[0] ?? '', trailer: 'ok' }];
  return [...texts.map((text) => ({ do: 'write', text }) as const), { do: 'end', trailer: 'ok' }];
}

const received = (kind: Kind): ServerStep[] => (streams(kind).request ? [{ do: 'await-end' }] : []);

type Part = Omit<CallScript, 'kind' | 'request'> & { readonly request?: string };

interface Scenario {
  readonly name: string;
  readonly kinds?: readonly Kind[];
  /** What must be in the log, so that the script is known to have done what its name says. */
  readonly shows: RegExp;
  readonly options?: object;
  /** Whether the caller waits for headers, which are held while a fallback is possible. */
  readonly needsHeadersAtOnce?: boolean;
  /** Whether the clients are connected before: else a deadline may pass in which one had sent something and one not. */
  readonly connected?: boolean;
  script(kind: Kind): Part;
}

/** Larger than every window and buffer on its way. */
const large = 'x'.repeat(inFull(1 << 20, 1 << 18));
const fail = (code: status): ServerStep => ({ do: 'fail', code, details: 'scripted', trailer: 'failed' });

const BROKEN = /status 14 /;

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'OK',
    shows: /status 0 .*"trailer":"ok"/,
    script: (kind) => ({
      client: sending(kind, 'one', 'two', 'three'),
      server: [...received(kind), ...answering(kind, 'uno', 'due', 'tre')],
    }),
  },
  {
    name: 'OK while both sides talk',
    kinds: ['bidi'],
    shows: /data due/,
    script: () => ({
      client: [
        { do: 'write', text: 'one' },
        { do: 'await', event: 'data', count: 1 },
        { do: 'write', text: 'two' },
        { do: 'await', event: 'data', count: 2 },
        { do: 'end' },
      ],
      server: [
        { do: 'await', messages: 1 },
        { do: 'write', text: 'uno' },
        { do: 'await', messages: 2 },
        { do: 'write', text: 'due' },
        { do: 'await-end' },
        { do: 'end' },
      ],
    }),
  },
  ...[status.UNAVAILABLE, status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED].flatMap<Scenario>((code) => [
    {
      name: `error ${code} after headers`,
      shows: /metadata .*"early":"headers"/,
      script: (kind) => ({
        client: sending(kind, 'one'),
        server: [{ do: 'metadata', value: 'headers' }, ...received(kind), fail(code)],
      }),
    },
    {
      name: `error ${code}, trailers only`,
      shows: /^error .*"trailer":"failed"/,
      script: (kind) => ({ client: sending(kind, 'one'), server: [...received(kind), fail(code)] }),
    },
    {
      name: `error ${code} after messages`,
      kinds: ['serverStream', 'bidi'],
      shows: /data uno/,
      script: (kind) => ({
        client: [...sending(kind, 'one'), { do: 'await', event: 'data', count: 2 }, { do: 'tell' }],
        server: [
          ...received(kind),
          { do: 'write', text: 'uno' },
          { do: 'write', text: 'due' },
          { do: 'await-told' },
          fail(code),
        ],
      }),
    },
    {
      name: `error ${code} while the caller is sending`,
      kinds: ['clientStream', 'bidi'],
      shows: /^error/,
      script: () => ({
        client: [{ do: 'write', text: 'one' }],
        server: [{ do: 'await', messages: 1 }, fail(code)],
      }),
    },
  ]),
  {
    name: 'cancelled at once',
    shows: /status 1 "Cancelled on client"/,
    script: (kind) => ({
      client: [...sending(kind, 'one').slice(0, 1), { do: 'cancel' }],
      server: [{ do: 'await-end' }],
    }),
  },
  {
    name: 'cancelled at once, twice, without anything sent',
    kinds: ['clientStream', 'bidi'],
    shows: /status 1 "Cancelled on client"/,
    script: () => ({ client: [{ do: 'cancel' }, { do: 'cancel' }], server: [] }),
  },
  {
    name: 'cancelled a turn later',
    shows: /status 1 "Cancelled on client"/,
    script: () => ({ client: [{ do: 'turns', count: 1 }, { do: 'cancel' }], server: [] }),
  },
  {
    name: 'cancelled in mid-call, the server has said nothing',
    shows: /status 1/,
    script: (kind) => ({
      client: [...sending(kind, 'one'), { do: 'await-mark' }, { do: 'cancel' }],
      server: [...received(kind), { do: 'mark' }],
    }),
  },
  {
    name: 'cancelled in mid-call, after messages',
    kinds: ['serverStream', 'bidi'],
    shows: /data due/,
    script: (kind) => ({
      client: [...sending(kind, 'one'), { do: 'await', event: 'data', count: 2 }, { do: 'cancel' }],
      server: [
        { do: 'write', text: 'uno' },
        { do: 'write', text: 'due' },
      ],
    }),
  },
  {
    name: 'cancelled after headers',
    needsHeadersAtOnce: true,
    shows: /metadata .*"early":"headers"/,
    script: (kind) => ({
      client: [...sending(kind, 'one'), { do: 'await', event: 'metadata', count: 1 }, { do: 'cancel' }],
      server: [{ do: 'metadata', value: 'headers' }],
    }),
  },
  {
    name: 'deadline already over',
    shows: /status 4 Deadline exceeded/,
    script: (kind) => ({ client: sending(kind, 'one'), server: [], deadlineMs: -1_000 }),
  },
  {
    name: 'deadline',
    connected: true,
    shows: /status 4 Deadline exceeded/,
    script: (kind) => ({ client: sending(kind, 'one'), server: [], deadlineMs: 300 }),
  },
  {
    name: 'deadline far away',
    shows: /status 0/,
    script: (kind) => ({
      client: sending(kind, 'one'),
      server: [...received(kind), ...answering(kind, 'uno')],
      deadlineMs: 3_600_000,
    }),
  },
  {
    name: 'the server ends first',
    kinds: ['clientStream', 'bidi'],
    shows: /status 0/,
    script: (kind) => ({
      client: [{ do: 'write', text: 'one' }],
      server: [{ do: 'await', messages: 1 }, ...answering(kind, 'uno')],
    }),
  },
  {
    name: 'large messages',
    shows: new RegExp(`x\\.\\.\\. ${large.length}`),
    script: (kind) => ({
      request: large,
      client: sending(kind, large, large),
      server: [...received(kind), ...answering(kind, large, large)],
    }),
  },
  {
    name: 'compressed large messages',
    options: { 'grpc.default_compression_algorithm': 2 },
    shows: new RegExp(`x\\.\\.\\. ${large.length}`),
    script: (kind) => ({
      request: large,
      client: sending(kind, large, large),
      server: [...received(kind), ...answering(kind, large, large)],
    }),
  },
  {
    name: 'a message that is too large',
    options: { 'grpc.max_receive_message_length': 1_000 },
    shows: /error 8/,
    script: (kind) => ({
      client: sending(kind, 'one'),
      server: [...received(kind), ...answering(kind, large)],
    }),
  },
  {
    name: 'headers long before the first message',
    shows: /^metadata .*"early":"headers"/,
    script: (kind) => ({
      client: sending(kind, 'one'),
      server: [
        { do: 'metadata', value: 'headers' },
        ...received(kind),
        { do: 'turns', count: 5 },
        ...answering(kind, 'uno'),
      ],
    }),
  },
  {
    name: 'a caller that waits for headers before it sends',
    kinds: ['clientStream', 'bidi'],
    needsHeadersAtOnce: true,
    shows: /^metadata .*"early":"headers"/,
    script: (kind) => ({
      client: [{ do: 'await', event: 'metadata', count: 1 }, ...sending(kind, 'one')],
      server: [{ do: 'metadata', value: 'headers' }, ...received(kind), ...answering(kind, 'uno')],
    }),
  },
  {
    name: 'the server speaks first',
    kinds: ['bidi'],
    shows: /data welcome/,
    script: () => ({
      client: [{ do: 'await', event: 'data', count: 1 }, { do: 'write', text: 'one' }, { do: 'end' }],
      server: [
        { do: 'write', text: 'welcome' },
        { do: 'await', messages: 1 },
        { do: 'write', text: 'uno' },
        { do: 'await-end' },
        { do: 'end' },
      ],
    }),
  },
  {
    name: 'empty answer',
    kinds: ['serverStream', 'bidi'],
    shows: /^end/,
    script: (kind) => ({ client: sending(kind, 'one'), server: [...received(kind), { do: 'end' }] }),
  },
  {
    name: 'a caller that ends without sending',
    kinds: ['clientStream', 'bidi'],
    shows: /status 0/,
    script: (kind) => ({
      client: [{ do: 'end' }],
      server: [...received(kind), ...answering(kind, 'uno')],
    }),
  },
  {
    name: 'a caller that ends without sending, late',
    kinds: ['clientStream', 'bidi'],
    shows: /status 0/,
    script: (kind) => ({
      client: [{ do: 'turns', count: 5 }, { do: 'end' }],
      server: [...received(kind), ...answering(kind, 'uno')],
    }),
  },
  {
    name: 'a piped request',
    kinds: ['clientStream', 'bidi'],
    shows: /status 0/,
    script: (kind) => ({
      client: [{ do: 'pipe', texts: ['one', 'two', 'three'] }],
      server: [{ do: 'await', messages: 3 }, ...received(kind), ...answering(kind, 'uno')],
    }),
  },
  {
    name: 'many messages',
    kinds: ['clientStream', 'serverStream', 'bidi'],
    shows: /status 0/,
    script: (kind) => ({
      client: sending(kind, ...Array.from({ length: 200 }, (_, index) => `one ${index}`)),
      server: [...received(kind), ...answering(kind, ...Array.from({ length: 200 }, (_, n) => `uno ${n}`))],
    }),
  },
  {
    name: 'the connection breaks before an answer',
    shows: BROKEN,
    script: (kind) => ({
      client: [...sending(kind, 'one'), { do: 'await-mark' }, { do: 'drop' }],
      server: [...received(kind), { do: 'mark' }],
    }),
  },
  {
    name: 'the connection breaks after messages',
    kinds: ['serverStream', 'bidi'],
    shows: BROKEN,
    script: (kind) => ({
      client: [...sending(kind, 'one'), { do: 'await', event: 'data', count: 2 }, { do: 'drop' }],
      server: [
        { do: 'write', text: 'uno' },
        { do: 'write', text: 'due' },
      ],
    }),
  },
];

const keys = Object.entries(KEYS);
/** In `npm test` each guard has one of the keys, in turn. */
const VARIANTS = Object.entries(INVISIBLE).map(([variant, makeGuard], index) => ({
  variant,
  makeGuard,
  keyed: keys.filter((_, key) => inFull(true, key === index % keys.length)),
}));

describe.concurrent.each(VARIANTS)('with $variant', ({ variant, makeGuard, keyed }) => {
  describe.each(keyed)('keyed %s', (_key, keyBy) => {
    describe.each(KINDS)('%s: the caller sees the same as without a guard', (kind) => {
      const held = variant.includes('fallback');
      const scenarios = SCENARIOS.filter(
        ({ kinds = KINDS, needsHeadersAtOnce = false }) =>
          kinds.includes(kind) && !(held && needsHeadersAtOnce),
      );
      it.each(scenarios)('$name', async (scenario) => {
        const guard = makeGuard(keyBy);
        const [without, guarded] = await Promise.all([
          runWithoutGuard(scenario, kind),
          run(scenario, kind, guard),
        ]);
        expect(guarded).toEqual(without);
        expect(
          without.events.filter((event) => scenario.shows.test(event)),
          without.events.join('\n'),
        ).not.toEqual([]);
        const snapshots = guard.snapshots();
        expect(snapshots.map(({ inFlight }) => inFlight)).toEqual(snapshots.map(() => 0));
        guard.close();
      });
    });
  });
});
