import { invalid } from '../../errors.js';
import { type KeyBy, perKey } from '../../key/key-by.js';

/**
 * One circuit per value of a field of the request's JSON body: `perJsonField('model')` for OpenAI's API and its likes. A request
 * without the field has the circuit of its route.
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function perJsonField(name: string): KeyBy {
  if (typeof name !== 'string' || name === '')
    throw invalid('perJsonField(name)', 'the name of a field', name);
  return perKey(({ request }) => {
    const body = fieldOf(request, 'body');
    const value = fieldOf(body, name);
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  });
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined;
}
