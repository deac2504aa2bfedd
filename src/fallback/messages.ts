import { invalid } from '../errors.js';
import type { Method } from './strategy.js';

/**
 * Serializes an answer of user code and deserializes it again. An answer that cannot be encoded fails here and not in the
 * caller, missing fields get the same defaults as in a server's answer, and the caller gets a copy of its own. Messages of an
 * iterable are converted as they are read, messages of an array at once.
 * @throws an error of the serializer, or FailsoftError for a value that is no message object
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
 * Decodes a message from kept bytes. It decodes a copy of them, because decoders return `bytes` fields as views of their input:
 * a caller that writes into such a field would change the kept bytes.
 */
export function decodeKept<Req, Res>(method: Method<Req, Res>, bytes: Uint8Array): Res {
  return method.responseDeserialize(Buffer.from(bytes));
}

/** Whether an answer is a stream of messages. Only methods that stream their response have such answers. */
export function isStream(method: Method<unknown, unknown>, message: unknown): boolean {
  return method.responseStream && (isAsyncIterable(message) || isIterable(message));
}

function recodeOne(method: Method<unknown, unknown>, message: unknown): unknown {
  return method.responseDeserialize(encodeAnswer(method, message));
}

/** @throws an error of the serializer, or FailsoftError for a value that is no message object */
export function encodeAnswer(method: Method<unknown, unknown>, message: unknown): Buffer {
  // Lenient encoders accept a string, an array or a promise as an empty message.
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
