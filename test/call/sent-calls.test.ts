import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { createGuard, FallbackRegistry, lastGood } from 'failsoft';
import { expect, it, onTestFinished } from 'vitest';
import { recorded, sentCallsOf } from '../../src/call/sent-calls.js';
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
  expect(sentCallsOf(once.callOptions)).toEqual({ channel: properties.channel, list: [] });
  expect(recorded(once)).toBe(once);
});

it('leaves calls alone whose answers nobody keeps', () => {
  const properties = propertiesOf(closed());
  const transformerOf = (fallbacks?: FallbackRegistry) =>
    createGuard(fallbacks === undefined ? {} : { fallbacks }).clientOptions().callInvocationTransformer;
  expect(transformerOf()?.(properties)).toBe(properties);
  const keeping = new FallbackRegistry().register(echoService.unary, [lastGood()]);
  expect(transformerOf(keeping)?.(properties).channel).not.toBe(properties.channel);
});
