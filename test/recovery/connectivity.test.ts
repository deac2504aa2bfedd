import { createServer, type Socket } from 'node:net';
import { Client, connectivityState, credentials } from '@grpc/grpc-js';
import { connectivity } from 'failsoft';
import { expect, it, onTestFinished } from 'vitest';
import { channelCheck, type WatchedChannel } from '../../src/recovery/connectivity.js';
import { OWN_HOST } from '../support/own-host.js';

const { CONNECTING, READY, TRANSIENT_FAILURE } = connectivityState;

function fakeChannel() {
  let state = READY;
  let watchers: (() => void)[] = [];
  const channel: WatchedChannel = {
    getConnectivityState: () => state,
    watchConnectivityState: (_state, _deadline, callback) => watchers.push(callback),
  };
  const become = (next: connectivityState) => {
    state = next;
    const called = watchers;
    watchers = [];
    for (const callback of called) callback();
  };
  return { channel, become, watches: () => watchers.length };
}

function outageOf(channel: WatchedChannel, check = channelCheck(() => [channel])) {
  let changes = 0;
  const changed = () => changes++;
  const ask = () =>
    check.ask({
      circuitKey: 'a',
      method: '/a.B/C',
      keyPart: '',
      deadlineMs: Date.now() + 1000,
      signal: new AbortController().signal,
      changed,
    });
  return { check, ask, changes: () => changes };
}

it('a connection is ready when it was lost in this outage, and is back', () => {
  const { channel, become } = fakeChannel();
  const { ask } = outageOf(channel);
  expect(ask()).toBe('no-answer');
  become(TRANSIENT_FAILURE);
  expect(ask()).toBe('not-ready');
  become(READY);
  expect([ask(), ask()]).toEqual(['ready', 'no-answer']);
});

it('several guards may share a check: each has its own outages, with one watch on the channel', () => {
  const { channel, become, watches } = fakeChannel();
  const first = outageOf(channel);
  const second = outageOf(channel, first.check);
  become(TRANSIENT_FAILURE);
  expect([first.ask(), second.ask(), first.ask()]).toEqual(['not-ready', 'not-ready', 'not-ready']);
  expect(watches()).toBe(1);
  become(CONNECTING);
  expect([first.changes(), second.changes()]).toEqual([1, 1]);
  become(READY);
  expect([first.ask(), second.ask(), first.ask()]).toEqual(['ready', 'ready', 'no-answer']);
});

it('the channel of a closed client does not connect again', async () => {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, OWN_HOST, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = new Client(`${OWN_HOST}:${port}`, credentials.createInsecure());
  const { ask } = outageOf(client.getChannel(), connectivity(client));
  client.close();
  expect(ask()).toBe('no-answer');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(connections).toBe(0);
});

it('names the parameter that is wrong', () => {
  expect(() => connectivity(JSON.parse('{}'))).toThrow('connectivity(client)');
});
