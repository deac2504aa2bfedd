import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it, vi } from 'vitest';
import {
  commonStatusOf,
  errorOfStatus,
  outcomeOfThrown,
  statusOfThrown,
} from '../../../src/call/neutral/thrown-status.js';

const named = (name: string, message: unknown = 'm') => ({ name, message });

describe('the status of a thrown value', () => {
  it.each<[string, unknown, status, string]>([
    ['a text', 'gone', status.UNKNOWN, 'gone'],
    ['null', null, status.UNKNOWN, 'null'],
    ['nothing', undefined, status.UNKNOWN, 'undefined'],
    ['an Error', new Error('gone'), status.UNKNOWN, 'gone'],
    ['an object without a message', {}, status.UNKNOWN, ''],
    ['a message that is no text', { message: 7 }, status.UNKNOWN, ''],
    ['half a surrogate pair', { message: 'a\ud83d' }, status.UNKNOWN, 'a\ufffd'],
    ['a time-out', named('TimeoutError'), status.DEADLINE_EXCEEDED, 'm'],
    ['an abort', named('AbortError'), status.CANCELLED, 'm'],
    ['a status', { code: status.NOT_FOUND, details: 'd' }, status.NOT_FOUND, 'd'],
    ['a code without details', { code: status.NOT_FOUND, message: 'm' }, status.UNKNOWN, 'm'],
    ['HTTP 399', { status: 399, message: 'm' }, status.UNKNOWN, 'm'],
    ['HTTP 400', { status: 400, message: 'm' }, status.INVALID_ARGUMENT, 'm'],
    ['HTTP 503', { status: 503, message: 'm' }, status.UNAVAILABLE, 'm'],
    ['HTTP 599', { status: 599, message: 'm' }, status.UNKNOWN, 'm'],
    ['HTTP 600', { status: 600, message: 'm' }, status.UNKNOWN, 'm'],
    ['a status in words', { status: '503', message: 'm' }, status.UNKNOWN, 'm'],
    ['a refused connection', { code: 'ECONNREFUSED', message: 'm' }, status.UNAVAILABLE, 'm'],
    ['a name that is not found', { code: 'EAI_AGAIN', message: 'm' }, status.UNAVAILABLE, 'm'],
    ["undici's closed socket", { code: 'UND_ERR_SOCKET', message: 'm' }, status.UNAVAILABLE, 'm'],
    ["undici's bad argument", { code: 'UND_ERR_INVALID_ARG', message: 'm' }, status.UNKNOWN, 'm'],
    ["undici's abort", { code: 'UND_ERR_ABORTED', message: 'm' }, status.UNKNOWN, 'm'],
    ['a network code as the cause', { message: 'm', cause: { code: 'ECONNRESET' } }, status.UNAVAILABLE, 'm'],
    ['a cause without a code', { message: 'm', cause: {} }, status.UNKNOWN, 'm'],
    ['null as the cause', { message: 'm', cause: null }, status.UNKNOWN, 'm'],
    ['a text as the cause', { message: 'm', cause: 'ECONNRESET' }, status.UNKNOWN, 'm'],
    ["Node's code of an argument", { code: 'ERR_INVALID_ARG_TYPE', message: 'm' }, status.UNAVAILABLE, 'm'],
    ['a short code', { code: 'EIO', message: 'm' }, status.UNKNOWN, 'm'],
    ['a code in small letters', { code: 'Econnreset', message: 'm' }, status.UNKNOWN, 'm'],
    ['a code with more before it', { code: 'not ECONNRESET', message: 'm' }, status.UNKNOWN, 'm'],
    ['a code with more behind it', { code: 'ECONNRESET 7', message: 'm' }, status.UNKNOWN, 'm'],
  ])('%s', (_, thrown, code, details) => {
    expect(commonStatusOf(thrown)).toMatchObject({ code, details });
  });

  it('of an object that throws when it is read is UNKNOWN', () => {
    const thrown = Object.defineProperty({}, 'name', {
      get: () => {
        throw new Error('odd');
      },
    });
    expect(commonStatusOf(thrown)).toMatchObject({ code: status.UNKNOWN, details: '' });
  });
});

const error = new Error('m');
const found = { code: status.NOT_FOUND, details: 'd', metadata: new Metadata() };

describe('a port', () => {
  it('decides the status, unless it gives none or throws', () => {
    const report = vi.fn();
    expect(statusOfThrown({ statusOf: () => found }, error, report)).toBe(found);
    expect(statusOfThrown({ statusOf: () => undefined }, error, report)).toMatchObject({ details: 'm' });
    expect(statusOfThrown({}, error, report)).toMatchObject({ code: status.UNKNOWN, details: 'm' });
    expect(report).not.toHaveBeenCalled();
    const odd = new Error('odd');
    const throwing = () => {
      throw odd;
    };
    expect(statusOfThrown({ statusOf: throwing }, error, report)).toMatchObject({ details: 'm' });
    expect(report).toHaveBeenCalledExactlyOnceWith(odd);
  });

  it('decides the outcome, unless it gives none, a wrong one, or throws', () => {
    const report = vi.fn();
    expect(outcomeOfThrown({}, error, report)).toBeUndefined();
    expect(outcomeOfThrown({ outcomeOf: () => undefined }, error, report)).toBeUndefined();
    expect(outcomeOfThrown({ outcomeOf: () => 'overload' }, error, report)).toBe('overload');
    expect(report).not.toHaveBeenCalled();
    expect(outcomeOfThrown({ outcomeOf: () => 'broken' as never }, error, report)).toBeUndefined();
    expect(String(report.mock.calls[0]?.[0])).toMatch(/outcomeOf: expected .*, got "broken"/);
  });

  it('makes the error, unless it throws', () => {
    const report = vi.fn();
    expect(errorOfStatus({ errorOf: () => error }, found, report)).toBe(error);
    expect(errorOfStatus({}, found, report)).toMatchObject({
      message: '5 NOT_FOUND: d',
      code: 5,
      details: 'd',
    });
    expect(report).not.toHaveBeenCalled();
    const throwing = () => {
      throw error;
    };
    expect(errorOfStatus({ errorOf: throwing }, found, report)).toMatchObject({ message: '5 NOT_FOUND: d' });
    expect(report).toHaveBeenCalledExactlyOnceWith(error);
  });
});
