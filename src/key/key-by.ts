import type { Metadata } from '@grpc/grpc-js';
import { checkBoolean, checkFunction, checkKeys } from '../checks.js';
import { invalid } from '../errors.js';
import { Warnings } from '../telemetry/warnings.js';
import { applicationPart, keyPart, versionedPart } from './key-part.js';
import { type ModelName, modelExtractor, namesModels } from './model-of.js';

/** The facts of a call that a key function may use. */
export interface KeyContext {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The first message; undefined if the call did not send a message within a tick. */
  readonly request: unknown;
  /** The caller's metadata. Not to be changed. */
  readonly metadata: Metadata;
}

/** Reports a problem; `source` names the function or option that caused it. */
export type Report = (error: unknown, source: string) => void;

/** Chooses the circuit of a call: `forMethod` is called once per method, and its result for each call of the method. */
export interface KeyBy {
  /**
   * Chooses among a method's circuits.
   * @param method the method's path
   * @param report reports a problem that harms no call, as a warning of the guard. @default only a process warning
   */
  forMethod(method: string, report?: (error: unknown, source: string) => void): KeyPart;
}

/** Chooses among the circuits of one method. */
export interface KeyPart {
  /** Whether the call must wait for its first message (at most one tick). */
  readonly needsRequest: boolean;
  /** The part of the key behind the method's path; '' is the method's own circuit. */
  of(request: unknown, metadata: Metadata): string;
}

const methodItself: KeyPart = { needsRequest: false, of: () => '' };

/** One circuit per method, even if its requests name a model. For a server with a single model. */
export function perMethod(): KeyBy {
  return { forMethod: () => methodItself };
}

/**
 * The default of `keyBy`. A service whose requests name a model has a circuit per model, as with `perModel()`; any other
 * service has a circuit per method. Calls of the latter cost nothing: neither their message nor their metadata is read.
 */
export const DEFAULT_KEY: KeyBy = Object.freeze<KeyBy>({
  forMethod: (method, report) => (namesModels(method) ? modelPart(method, false, report) : methodItself),
});

/**
 * One circuit per model behind a method. Requests of the Open Inference Protocol (Triton, KServe, MLServer, TorchServe),
 * TensorFlow Serving, TorchServe and BentoML name the model in the message; its class may come from ts-proto, protobuf-es,
 * proto-loader or google-protobuf. Calls of Ray Serve name the model in the metadata. Their key part is `application`,
 * `application/model`, or `/model` if the call names no application.
 *
 * A request that names no model belongs to the method's own circuit. If every valid request of the method must name a model,
 * the guard warns once.
 * @param options.version whether each version of a model has a circuit of its own. The key part is then `model@3`, or
 * `model@label:stable` for a version label of TensorFlow Serving. @default false
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function perModel(options: { version?: boolean } = {}): KeyBy {
  checkKeys('perModel', options, ['version']);
  const version = checkBoolean('perModel.version', options.version ?? false);
  return { forMethod: (method, report) => modelPart(method, version, report) };
}

function modelPart(method: string, withVersion: boolean, report = reportToProcess): KeyPart {
  const { needsRequest, isNeverWithout, modelOf } = modelExtractor(method);
  let reported = false;
  return {
    needsRequest,
    of: (request, metadata) => {
      const model = modelOf(request, metadata);
      if (model !== undefined) return partOf(model, withVersion);
      if (isNeverWithout && !reported && request !== undefined) {
        reported = true;
        report(
          "found no model's name in a request. Such requests share the method's own circuit; perKey(fn) can read the name from another field",
          `perModel of ${method}`,
        );
      }
      return '';
    },
  };
}

function reportToProcess(error: unknown, source: string): void {
  new Warnings().report(error, source);
}

function partOf({ application, name, version }: ModelName, withVersion: boolean): string {
  if (application !== undefined) return applicationPart(application, name, withVersion ? version : undefined);
  return withVersion ? versionedPart(name, version) : keyPart(name);
}

/**
 * One circuit per name that your function returns. The name stands in the circuit key behind the method's path: unchanged,
 * except that `~` and lone surrogates are escaped and a name of more than 128 UTF-16 units is shortened. Different names
 * always have different circuits.
 * @param keyOf returns the name, or undefined (or '') for the method's own circuit
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function perKey(keyOf: (context: KeyContext) => string | undefined): KeyBy {
  checkFunction('perKey', keyOf);
  return {
    forMethod: (method) => ({
      needsRequest: true,
      of: (request, metadata) => {
        const name = keyOf({ method, request, metadata }) ?? '';
        if (typeof name !== 'string') throw invalid('perKey(keyOf)', 'a string or undefined', name);
        return keyPart(name);
      },
    }),
  };
}
