import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Feed } from '../../../src/telemetry/dashboard/server/feed.js';
import { Hub } from '../../../src/telemetry/dashboard/server/hub.js';
import { FORMAT_VERSION } from '../../../src/telemetry/dashboard/view/protocol.js';

const OPTIONS = { intervalMs: 1_000, heartbeatMs: 15_000, patienceMs: 10_000, maxReaders: 10 };

/** What a hub needs of a response: it is full from the moment that it is told to be. */
class Response extends EventEmitter {
  readonly written: string[] = [];
  isFull = false;
  ended: 'end' | 'destroy' | undefined;

  write(bytes: Buffer): boolean {
    this.written.push(/^event: (\w+)/.exec(String(bytes))?.[1] ?? '');
    return !this.isFull;
  }

  drain(): void {
    this.isFull = false;
    this.emit('drain');
  }

  end(): void {
    this.ended = 'end';
    this.emit('close');
  }

  destroy(): void {
    this.ended = 'destroy';
    this.emit('close');
  }
}

function setUp(isKept = false) {
  let isChanged = false;
  const feed: Feed = {
    full: () => ({ version: FORMAT_VERSION, atMs: 0, processes: [], settings: {}, circuits: [] }),
    changes: vi.fn(() => {
      const was = isChanged;
      isChanged = false;
      return was ? { atMs: 0 } : undefined;
    }),
    idleIntervalMs: isKept ? 2_000 : undefined,
    onUrgent: undefined,
    close: vi.fn(),
  };
  const errors: unknown[] = [];
  const hub = new Hub(feed, OPTIONS, (error) => errors.push(error));
  const add = () => {
    const response = new Response();
    hub.add(response as unknown as ServerResponse);
    return response;
  };
  const change = () => {
    isChanged = true;
  };
  return { feed, hub, add, change, errors };
}

describe('the hub', () => {
  beforeEach(
    () =>
      void vi.useFakeTimers({
        toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'],
      }),
  );
  afterEach(() => void vi.useRealTimers());

  it('sends a snapshot first, then changes, and a heartbeat where nothing changes', () => {
    const { add, change } = setUp();
    const response = add();
    change();
    vi.advanceTimersByTime(3_000);
    expect(response.written).toEqual(['snapshot', 'delta']);
    vi.advanceTimersByTime(45_000);
    expect(response.written.slice(2)).toEqual(['heartbeat', 'heartbeat', 'heartbeat']);
  });

  it('queues nothing for a slow reader: it gets a snapshot when it has read', () => {
    const { add, change } = setUp();
    const [slow, quick] = [add(), add()];
    slow.isFull = true;
    for (let n = 0; n < 5; n++) {
      change();
      vi.advanceTimersByTime(1_000);
    }
    expect(slow.written).toEqual(['snapshot', 'delta']);
    expect(quick.written).toHaveLength(6);
    slow.drain();
    vi.advanceTimersByTime(1_000);
    change();
    vi.advanceTimersByTime(1_000);
    expect(slow.written).toEqual(['snapshot', 'delta', 'snapshot', 'delta']);
  });

  it('drops a reader that takes nothing for ten seconds, and frees the message that waits for it', () => {
    const { add, change, hub } = setUp();
    const response = add();
    response.isFull = true;
    change();
    vi.advanceTimersByTime(10_900);
    expect(response.ended).toBeUndefined();
    vi.advanceTimersByTime(1_200);
    expect(response.ended).toBe('destroy');
    expect(hub.readers).toBe(0);
  });

  it('has a timer only while a page is open, or for a history', () => {
    const { add, hub, feed } = setUp();
    expect(vi.getTimerCount()).toBe(0);
    const [first, second] = [add(), add()];
    expect(vi.getTimerCount()).toBe(1);
    first.emit('close');
    expect(vi.getTimerCount()).toBe(1);
    second.emit('error', new Error('a broken pipe'));
    expect(vi.getTimerCount()).toBe(0);
    hub.close();
    expect(feed.close).toHaveBeenCalledOnce();

    const kept = setUp(true);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(6_000);
    expect(kept.feed.changes).toHaveBeenCalledTimes(3);
    kept.add();
    kept.hub.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(kept.hub.isFull).toBe(true);
  });

  it('sends urgent changes soon and together, and nothing while no page is open', () => {
    const { add, change, feed } = setUp();
    feed.onUrgent?.();
    expect(vi.getTimerCount()).toBe(0);
    const response = add();
    for (let n = 0; n < 100; n++) {
      change();
      feed.onUrgent?.();
    }
    vi.advanceTimersByTime(100);
    expect(response.written).toEqual(['snapshot', 'delta']);
  });

  it('outlives a guard that throws', () => {
    const { add, errors, feed, change } = setUp();
    const response = add();
    vi.mocked(feed.changes).mockImplementationOnce(() => {
      throw new Error('a snapshot');
    });
    vi.advanceTimersByTime(1_000);
    change();
    vi.advanceTimersByTime(1_000);
    expect(errors).toHaveLength(1);
    expect(response.written).toEqual(['snapshot', 'delta']);
  });
});
