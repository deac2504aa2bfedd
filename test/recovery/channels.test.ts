import { Client, credentials, InterceptingCall, Metadata } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { KnownChannels } from '../../src/recovery/channels.js';

function channel() {
  const client = new Client('127.0.0.1:1', credentials.createInsecure());
  onTestFinished(() => client.close());
  return client.getChannel();
}

it('clients that take turns drop no other channel, and new clients at most the oldest', () => {
  const known = new KnownChannels();
  const channels = Array.from({ length: 16 }, channel);
  for (const each of channels) known.show(each, {});
  for (const each of [...channels, ...channels]) known.show(each, {});
  expect([...known]).toEqual(channels);
  const one = channel();
  known.show(one, {});
  expect([...known]).toEqual([...channels.slice(1), one]);
});

it('forgets closed channels with the next new one', () => {
  const known = new KnownChannels();
  const [first, second] = [channel(), channel()];
  known.show(first, {});
  first.close();
  expect(known.client).toBeUndefined();
  known.show(second, {});
  expect([...known]).toEqual([second]);
});

it.each(['interceptors', 'interceptor_providers'] as const)("its client has the caller's %s", (list) => {
  const known = new KnownChannels();
  let passed = 0;
  const interceptor: NonNullable<ConstructorParameters<typeof Client>[2]>['interceptors'] = [
    (options, next) => {
      passed += 1;
      return new InterceptingCall(next(options));
    },
  ];
  known.show(
    channel(),
    list === 'interceptors'
      ? { interceptors: interceptor }
      : { interceptor_providers: interceptor.map((each) => () => each) },
  );
  const bytes = (buffer: Buffer) => buffer;
  const call = known.client?.makeUnaryRequest(
    '/a.B/C',
    bytes,
    bytes,
    Buffer.from(''),
    new Metadata(),
    () => {},
  );
  call?.cancel();
  expect(passed).toBe(1);
});
