import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { createGuard, FallbackRegistry, lastGood } from 'failsoft';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ownChannelOf, ownSentCallsOf, recorded, sentCallsOf } from '../../src/call/sent-calls.js';
import { echoService } from '../support/echo-service.js';

type Properties = Parameters<typeof recorded>[0];

function propertiesOf(client: Client): Properties {
  return {
    metadata: new Metadata(),
    call: Object.create(null),
    channel: client.getChannel(),
    methodDefinition: echoService.unary,
    callOptions: { deadline: 7, failsoft: { fallback: false } },
  };
}

const closed = () => {
  const client = new Client('127.0.0.1:1', credentials.createInsecure());
  onTestFinished(() => client.close());
  return client;
};

it('gives a call one record, however many guards its client has, and knows the client’s own channel', () => {
  const properties = propertiesOf(closed());
  const once = recorded(properties);
  expect(once.channel).not.toBe(properties.channel);
  expect(once.channel.getTarget()).toBe(properties.channel.getTarget());
  expect(once.callOptions).toMatchObject(properties.callOptions);
  expect(Object.getOwnPropertySymbols(properties.callOptions)).toEqual([]);
  const record = sentCallsOf(once.callOptions);
  expect(record?.channel).toBe(properties.channel);
  expect(record?.recorder).toBe(once.channel);
  expect(record?.list).toEqual([]);
  expect(recorded(once)).toBe(once);
  expect(ownChannelOf(properties)).toBe(properties.channel);
  expect(ownChannelOf(once)).toBe(properties.channel);
});

it('gives a call of another client its own record, though an interceptor passes it the options of the first call', () => {
  const first = recorded(propertiesOf(closed()));
  const passedOn = { ...propertiesOf(closed()), callOptions: { ...first.callOptions } };
  expect(ownChannelOf(passedOn)).toBe(passedOn.channel);
  const second = recorded(passedOn);
  const record = sentCallsOf(second.callOptions);
  expect(record?.channel).toBe(passedOn.channel);
  expect(record?.list).not.toBe(sentCallsOf(first.callOptions)?.list);
  second.channel.createCall('/a.B/C', Number.POSITIVE_INFINITY, null, null, null).start(new Metadata(), {
    onReceiveMetadata: () => {},
    onReceiveMessage: () => {},
    onReceiveStatus: () => {},
  });
  expect(record?.list).toHaveLength(1);
  expect(sentCallsOf(first.callOptions)?.list).toEqual([]);
});

it('is the record of its own method’s call only', () => {
  const { callOptions } = recorded(propertiesOf(closed()));
  const record = sentCallsOf(callOptions);
  const own = { ...callOptions, method_definition: echoService.unary };
  expect(record).toBeDefined();
  expect(ownSentCallsOf(own)).toBe(record);
  expect(ownSentCallsOf({ ...own, method_definition: echoService.bidi })).toBeUndefined();
});

it.each([
  ['other.host', 'other.host'],
  [null, undefined],
])('records a call to the host %j', (host, expected) => {
  const { channel, callOptions } = recorded(propertiesOf(closed()));
  const listener = { onReceiveMetadata: () => {}, onReceiveMessage: () => {}, onReceiveStatus: () => {} };
  channel.createCall('/a.B/C', Number.POSITIVE_INFINITY, host, null, null).start(new Metadata(), listener);
  expect(sentCallsOf(callOptions)?.list.map((call) => call.host)).toEqual([expected]);
});

it('records calls of a channel whose calls take no credentials, as long as none are given', () => {
  const start = vi.fn();
  const channel = { ...propertiesOf(closed()).channel, createCall: () => ({ start }) };
  const call = recorded({ ...propertiesOf(closed()), channel: channel as never }).channel.createCall(
    '/a.B/C',
    Number.POSITIVE_INFINITY,
    null,
    null,
    null,
  );
  const listener = Object.create(null);
  call.start(new Metadata(), listener);
  expect(start).toHaveBeenCalledExactlyOnceWith(expect.any(Metadata), listener);
  expect(start.mock.contexts).toEqual([call]);
});

it('leaves calls alone whose answers nobody keeps', () => {
  const properties = { ...propertiesOf(closed()), methodDefinition: { ...echoService.unary } };
  const transformerOf = (fallbacks?: FallbackRegistry) =>
    createGuard(fallbacks === undefined ? {} : { fallbacks }).clientOptions().callInvocationTransformer;
  expect(transformerOf()?.(properties)).toBe(properties);
  const keeping = new FallbackRegistry().register(echoService.unary, [lastGood()]);
  expect(transformerOf(keeping)?.(properties).channel).not.toBe(properties.channel);
  const streamed = { ...properties, methodDefinition: echoService.serverStream };
  const keeper = { name: 'keeper', answer: () => undefined, keep: () => {} };
  const keepingStreams = new FallbackRegistry().register(echoService.serverStream, [keeper]);
  expect(transformerOf(keepingStreams)?.(streamed)).toBe(streamed);
});
