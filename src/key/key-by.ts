import { createHash } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { checkFunction, checkKeys } from '../checks.js';
import { invalid } from '../errors.js';
import { modelExtractor } from './model-of.js';

/** What a key function sees of a call. */
export interface KeyContext {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The first message; undefined when the call did not send one within a tick. */
  readonly request: unknown;
  readonly metadata: Metadata;
}

/** Chooses the circuit of a call. Asked once per method, so that what depends on the method alone is decided once. */
export interface KeyBy {
  forMethod(method: string): KeyPart;
}

/** Chooses among the circuits of one method. */
export interface KeyPart {
  /** Whether the first message must be waited for (at most one tick). */
  readonly needsRequest: boolean;
  /** What is put behind the method's path; '' is the method's own circuit. */
  of(request: unknown, metadata: Metadata): string;
}

const methodItself: KeyPart = { needsRequest: false, of: () => '' };

/** One circuit per method. The default. */
export function perMethod(): KeyBy {
  return { forMethod: () => methodItself };
}

/**
 * One circuit per model behind a method: Open Inference Protocol (Triton, KServe, MLServer), TensorFlow Serving,
 * TorchServe and BentoML requests name it in the message, Ray Serve in the metadata (`application/model`, or the one that
 * is there). A request that names none has the method's circuit.
 * @param options.version whether each version of a model has a circuit of its own. @default false
 */
export function perModel(options: { version?: boolean } = {}): KeyBy {
  checkKeys('perModel', options, ['version']);
  const version = options.version ?? false;
  if (typeof version !== 'boolean') throw invalid('perModel.version', 'a boolean', version);
  return {
    forMethod: (method) => {
      const { needsRequest, modelOf } = modelExtractor(method);
      return {
        needsRequest,
        of: (request, metadata) => {
          const model = modelOf(request, metadata);
          if (model === undefined) return '';
          const name = bounded(model.name);
          // The last @ divides name and version, so that no two pairs share a key.
          return version ? `${name}@${bounded(model.version).replaceAll('@', '%40')}` : name;
        },
      };
    },
  };
}

/**
 * A key of your own, put behind the method's path.
 * @param keyOf gives the part, or undefined (or '') for the method's own circuit
 */
export function perKey(keyOf: (context: KeyContext) => string | undefined): KeyBy {
  checkFunction('perKey', keyOf);
  return {
    forMethod: (method) => ({
      needsRequest: true,
      of: (request, metadata) => {
        const part = keyOf({ method, request, metadata }) ?? '';
        if (typeof part !== 'string') throw invalid('perKey(keyOf)', 'a string or undefined', part);
        return bounded(part);
      },
    }),
  };
}

const LONGEST_PART = 128;

/** A model's name is a caller's text: a long one is cut, and told from its likes by a hash. */
export function bounded(part: string): string {
  if (part.length <= LONGEST_PART) return part;
  const hash = createHash('sha256').update(part).digest('hex').slice(0, 16);
  return `${part.slice(0, LONGEST_PART - 17)}~${hash}`;
}

/** The full key of a circuit, as events, metrics and rejections name it. */
export function keyOf(target: string, method: string, part: string): string {
  return part === '' ? `${target}${method}` : `${target}${method}#${part}`;
}

/** A full key in its parts again. A target has no `#`, so the first one divides. */
export function splitKey(key: string): { target: string; method: string; part: string } {
  const hash = key.indexOf('#');
  const head = hash < 0 ? key : key.slice(0, hash);
  const method = /\/[^/]+\/[^/]+$/.exec(head)?.[0] ?? head;
  return {
    target: head.slice(0, head.length - method.length),
    method,
    part: hash < 0 ? '' : key.slice(hash + 1),
  };
}
