import { createGuard, systemClock } from 'failsoft';
import { guardedFetch } from 'failsoft/fetch';
import { guardInterceptor } from 'failsoft/undici';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { serveHttp } from '../support/http-server.js';

const ABANDONED_MS = 61_234;

/** The background flags of the timers that wait for an idle body. */
function idleTimers() {
  const flags: boolean[] = [];
  const clock = {
    ...systemClock,
    setTimer: (callback: () => void, delayMs: number, background = false) => {
      if (delayMs === ABANDONED_MS) flags.push(background);
      return systemClock.setTimer(callback, delayMs, background);
    },
  };
  return { flags, guard: createGuard({ clock, abandonedAfterMs: ABANDONED_MS }) };
}

/** A body that begins and does not end. */
async function endless() {
  return serveHttp((_, response) => {
    response.writeHead(200);
    response.write(Buffer.alloc(1_000));
  });
}

it('a body that guardedFetch() passes on and that is not read keeps no process alive', async () => {
  const server = await endless();
  const { flags, guard } = idleTimers();
  const response = await guardedFetch(guard)(server.url);
  await expect.poll(() => flags.length).toBeGreaterThanOrEqual(2);
  expect(new Set(flags)).toEqual(new Set([true]));
  await response.body?.cancel();
});

it('a body that the undici interceptor passes on and that is not read keeps no process alive', async () => {
  const server = await endless();
  const { flags, guard } = idleTimers();
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  const { body } = await request(server.url, { dispatcher: agent.compose(guardInterceptor(guard)) });
  await expect.poll(() => flags.length).toBeGreaterThanOrEqual(2);
  expect(new Set(flags)).toEqual(new Set([true]));
  body.on('error', () => undefined).destroy();
});
