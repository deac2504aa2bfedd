import { invalid } from '../errors.js';
import type { Method } from './strategy.js';

/**
 * Puts an answer that user code made through the method's serializer and back: what cannot be encoded fails here and not
 * in the caller, what was left out gets the defaults that a server's answer has, and nobody else holds the copy.
 * A stream's messages are put through as they are read, an array's at once.
 * @throws when the message is none of the method's
 */
export function recode(method: Method<unknown, unknown>, message: unknown): unknown {
  if (method.responseStream) {
    if (Array.isArray(message)) return message.map((each) => recodeOne(method, each));
    if (isAsyncIterable(message)) return recodeLater(method, message);
    if (isIterable(message)) return recodeEach(method, message);
  }
  return recodeOne(method, message);
}

/**
 * Decodes a message from bytes that are kept. Decoders give `bytes` fields as views of their input: without a copy of it,
 * a caller that writes into such a field would change what is kept.
 */
export function decodeKept<Req, Res>(method: Method<Req, Res>, bytes: Uint8Array): Res {
  return method.responseDeserialize(Buffer.from(bytes));
}

/** Whether an answer is a stream of messages; only methods that stream their response have such. */
export function isStream(method: Method<unknown, unknown>, message: unknown): boolean {
  return method.responseStream && (isAsyncIterable(message) || isIterable(message));
}

function recodeOne(method: Method<unknown, unknown>, message: unknown): unknown {
  // Lenient encoders take a string or an array for an empty message.
  return method.responseDeserialize(encodeAnswer(method, message));
}

/** @throws when the message is none of the method's, as far as its encoder and a look at it can tell */
export function encodeAnswer(method: Method<unknown, unknown>, message: unknown): Buffer {
  // Lenient encoders take a string, an array or a promise for an empty message.
  if (typeof message !== 'object' || message === null || Array.isArray(message) || message instanceof Promise)
    throw invalid(`the answer for ${method.path}`, 'a message object', message);
  return method.responseSerialize(message);
}

function* recodeEach(method: Method<unknown, unknown>, messages: Iterable<unknown>): Iterable<unknown> {
  for (const message of messages) yield recodeOne(method, message);
}

async function* recodeLater(
  method: Method<unknown, unknown>,
  messages: AsyncIterable<unknown>,
): AsyncIterable<unknown> {
  for await (const message of messages) yield recodeOne(method, message);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
