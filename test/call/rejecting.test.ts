import {
  InterceptingCall,
  type Interceptor,
  type InterceptorOptions,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { circuitRejectionOf, type Guard } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { closedAfterEach } from '../support/closers.js';
import { callUnary, echoService } from '../support/echo-service.js';
import { startGuard, startGuarded } from '../support/guarded-client.js';
import { uncaughtErrors } from '../support/uncaught.js';

const closers = closedAfterEach();

interface Odd {
  /** In place of one that collects the events. */
  readonly listener?: {
    onReceiveMessage?: (message: unknown) => void;
    onReceiveStatus?: (received: StatusObject) => void;
  };
  readonly onMessage?: (call: InterceptingCall) => void;
  readonly withoutStatus?: boolean;
  readonly responseStream?: boolean;
}

/** A guard that rejects every call of the method. */
function rejectingGuard(): Guard {
  const guard = startGuard(closers);
  guard.circuit(echoService.unary).isolate();
  return guard;
}

/** A rejected call, made as another interceptor would make it, with what its listener gets. */
function startRejected(
  { listener: own, onMessage, withoutStatus = false, responseStream = false }: Odd = {},
  guard = rejectingGuard(),
  beforeStart: (call: InterceptingCall) => void = () => {},
) {
  const definition = { ...echoService.unary, responseStream };
  const options = { method_definition: definition } as unknown as InterceptorOptions;
  const call = guard.interceptor(options, () => {
    throw new Error('a rejected call must not be made');
  });
  const events: string[] = [];
  const listener = {
    name: 'the listener',
    onReceiveMessage(message: unknown) {
      events.push(`message ${message}`);
      onMessage?.(call);
    },
    onReceiveStatus({ code }: { code: status }) {
      events.push(`status ${status[code]} for ${this.name}`);
    },
  };
  const onReceiveMessage = (message: unknown) => listener.onReceiveMessage(message);
  beforeStart(call);
  call.start(new Metadata(), own ?? (withoutStatus ? { onReceiveMessage } : listener));
  return { call, events };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a rejected call without a fallback', () => {
  it('ends in the next turn, with a null message before its status', async () => {
    const { events } = startRejected();
    await Promise.resolve();
    expect(events).toEqual([]);
    await turn();
    expect(events).toEqual(['message null', 'status UNAVAILABLE for the listener']);
  });

  it('has no message if its response is a stream', async () => {
    const { events } = startRejected({ responseStream: true });
    await turn();
    expect(events).toEqual(['status UNAVAILABLE for the listener']);
  });

  it('ends as cancelled, and only so, if it is cancelled before', async () => {
    const { call, events } = startRejected();
    call.cancelWithStatus(status.CANCELLED, 'gone');
    await turn();
    await turn();
    expect(events).toEqual(['message null', 'status CANCELLED for the listener']);
  });

  it('ends as rejected if it is cancelled at the message', async () => {
    const { events } = startRejected({
      onMessage: (call) => call.cancelWithStatus(status.CANCELLED, 'gone'),
    });
    await turn();
    await turn();
    expect(events).toEqual(['message null', 'status UNAVAILABLE for the listener']);
  });

  it('still gets its status if the listener throws at the message', async () => {
    const errors = uncaughtErrors(closers);
    const { events } = startRejected({
      onMessage: () => {
        throw new Error('odd');
      },
    });
    await expect.poll(() => events).toEqual(['message null', 'status UNAVAILABLE for the listener']);
    expect(errors).toEqual(['odd']);
  });

  it('needs no listener for the status', async () => {
    const { events } = startRejected({ withoutStatus: true });
    await turn();
    expect(events).toEqual(['message null']);
  });

  it.each<[string, (listener: Odd['listener'] & object, events: string[]) => void]>([
    [
      'is set after the start',
      (listener, events) => {
        listener.onReceiveStatus = ({ code }) => events.push(`late ${code}`);
      },
    ],
    [
      'is set at the message',
      (listener, events) => {
        listener.onReceiveMessage = () => {
          listener.onReceiveStatus = ({ code }) => events.push(`late ${code}`);
        };
      },
    ],
  ])('gives its status to the function of its listener that %s', async (_when, change) => {
    for (const first of [undefined, () => expect.fail('replaced')]) {
      const listener: Odd['listener'] & object = first === undefined ? {} : { onReceiveStatus: first };
      const { events } = startRejected({ listener });
      change(listener, events);
      await turn();
      expect(events).toEqual(['late 14']);
    }
  });

  it('gives its status to a function without methods', async () => {
    const events: string[] = [];
    const onReceiveStatus = ({ code }: StatusObject) => events.push(`status ${code}`);
    Object.setPrototypeOf(onReceiveStatus, null);
    startRejected({ listener: { onReceiveStatus } });
    await turn();
    expect(events).toEqual(['status 14']);
  });

  it.each(['rejected', 'call'] as const)(
    'that a listener of the event `%s` cancels ends once',
    async (name) => {
      const guard = rejectingGuard();
      let cancel = () => {};
      guard.on(name, () => cancel());
      const { events } = startRejected({}, guard, (call) => {
        cancel = () => call.cancelWithStatus(status.CANCELLED, 'gone');
      });
      await turn();
      await turn();
      const code = name === 'rejected' ? 'CANCELLED' : 'UNAVAILABLE';
      expect(events).toEqual(['message null', `status ${code} for the listener`]);
    },
  );

  it('is counted and reported before its caller gets the status', async () => {
    const seen: string[] = [];
    const guard = rejectingGuard();
    guard.observe(() => ({ onEnd: () => seen.push(`ended after ${events.length}`) }));
    guard.on('call', ({ outcome }) => seen.push(`${outcome} after ${events.length}`));
    const { events } = startRejected({}, guard);
    await turn();
    expect(seen).toEqual(['ended after 0', 'rejected after 0']);
    expect(events).toHaveLength(2);
    expect(guard.answers()).toMatchObject([{ source: 'none', cause: 'rejected', count: 1 }]);
  });

  /** The formatting of the stack is most of the cost of a rejection. */
  it('gives an error whose stack has no frame of the guard', async () => {
    const { client, guard } = await startGuarded(closers);
    using _held = guard.circuit(echoService.unary).isolate();
    const { error } = await callUnary(client, 'a');
    expect(circuitRejectionOf(error)?.reason).toBe('ISOLATED');
    const [delivered = '', made = ''] = error?.stack?.split('for call at') ?? [];
    expect(delivered).toContain('callErrorFromStatus');
    expect(delivered).not.toMatch(/src\/call\//);
    expect(made).toContain('makeUnaryRequest');
  });

  it('passes through an interceptor before the guard that takes its listener apart', async () => {
    const outer: Interceptor = (options, next) =>
      new InterceptingCall(next(options), {
        start: (metadata, _listener, start) =>
          start(metadata, { onReceiveStatus: (ended, give) => give({ ...ended, details: 'seen' }) }),
      });
    const { client, guard } = await startGuarded(closers, {}, ({ interceptor }) => [outer, interceptor]);
    using _held = guard.circuit(echoService.unary).isolate();
    const { error, events } = await callUnary(client, 'a');
    expect(error).toMatchObject({ code: status.UNAVAILABLE, details: 'seen' });
    expect(events.filter((event) => event.startsWith('status'))).toHaveLength(1);
  });
});
