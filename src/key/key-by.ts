import type { Metadata } from '@grpc/grpc-js';
import { checkFunction, checkKeys } from '../checks.js';
import { invalid } from '../errors.js';
import { Warnings } from '../telemetry/warnings.js';
import { applicationPart, keyPart, versionedPart } from './key-part.js';
import { type ModelName, modelExtractor, namesModels } from './model-of.js';

/** What a key function sees of a call. */
export interface KeyContext {
  /** `/package.Service/Method` */
  readonly method: string;
  /** The first message; undefined when the call did not send one within a tick. */
  readonly request: unknown;
  /** The caller's metadata. Not to be changed. */
  readonly metadata: Metadata;
}

/** Reports a problem under the name of its source. */
export type Report = (error: unknown, source: string) => void;

/** Chooses the circuit of a call. It is called once per method, and its result for each call of the method. */
export interface KeyBy {
  /**
   * Chooses among a method's circuits.
   * @param method its path
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

/** One circuit per method, also where its requests name a model: for a server with a single model. */
export function perMethod(): KeyBy {
  return { forMethod: () => methodItself };
}

/**
 * The default of `keyBy`. Services whose requests name a model have a circuit per model, as by `perModel()`; all others have
 * one per method. A call of such another service pays nothing: neither its message nor its metadata is read.
 */
export const DEFAULT_KEY: KeyBy = Object.freeze<KeyBy>({
  forMethod: (method, report) => (namesModels(method) ? modelPart(method, false, report) : methodItself),
});

/**
 * One circuit per model behind a method. Requests of the Open Inference Protocol (Triton, KServe, MLServer, TorchServe),
 * TensorFlow Serving, TorchServe and BentoML name it in the message; the classes may come from ts-proto, protobuf-es,
 * proto-loader or google-protobuf. Calls of Ray Serve name it in the metadata: `application`, `application/model`, or
 * `/model` where no application is named.
 *
 * A request that names no model has the method's circuit. If every valid request of the method must name a model, the guard
 * warns once.
 * @param options.version whether each version of a model has a circuit of its own: `model@3`, or `model@label:stable` for a
 * version label of TensorFlow Serving. @default false
 * @throws FailsoftError FAILSOFT_INVALID_ARGUMENT
 */
export function perModel(options: { version?: boolean } = {}): KeyBy {
  checkKeys('perModel', options, ['version']);
  const version = options.version ?? false;
  if (typeof version !== 'boolean') throw invalid('perModel.version', 'a boolean', version);
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
          "found no model's name in a request, so the method has one circuit for all its models; perKey(fn) can read the name from other fields",
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
 * A key of your own, put behind the method's path. Names that differ have circuits of their own, however long they are. Keys
 * show a name as it is, but for `~`, lone surrogates, and names of more than 128 UTF-16 units.
 * @param keyOf gives the name, or undefined (or '') for the method's own circuit
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
