import { wellFormed } from '../text.js';

/**
 * The full key of a circuit, as events, metrics and rejections name it.
 * @param part a key part (src/key/key-part.ts), or '' for the method's own circuit
 */
export function keyOf(target: string, method: string, part: string): string {
  const head = wellFormed(`${target}${method}`);
  return part === '' ? head : `${head}#${part}`;
}

/** `POST https://models.example/v1/models/:name` */
export const HTTP_NAME = /^[A-Z]+ https?:\/\//;

/** Splits a full key into its parts. A target has no `#`, so the key part begins behind the first `#`. */
export function splitKey(key: string): { target: string; method: string; part: string } {
  const hash = key.indexOf('#');
  const head = hash < 0 ? key : key.slice(0, hash);
  // the name of an HTTP request has slashes of its own
  const method = HTTP_NAME.test(head) ? head : (/\/[^/]+\/[^/]+$/.exec(head)?.[0] ?? head);
  return {
    target: head.slice(0, head.length - method.length),
    method,
    part: hash < 0 ? '' : key.slice(hash + 1),
  };
}

/** `/package.Service/Method` -> `package.Service` */
export function serviceOf(method: string): string {
  return method.slice(1, method.lastIndexOf('/'));
}
