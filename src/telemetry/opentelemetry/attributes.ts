import type { Attributes } from '@opentelemetry/api';
import { OTHER } from '../readings/sums.js';

// All names from OpenTelemetry's conventions for RPC stand in this file: the conventions still change.
// https://opentelemetry.io/docs/specs/semconv/rpc/ (release candidate, 2026)
const RPC_METHOD = 'rpc.method';
const RPC_SYSTEM = 'rpc.system.name';
const GRPC = 'grpc';
/** The value that the convention has for methods that are not named. */
const OTHER_METHOD = '_OTHER';

// The names below are not of the convention: they have the namespace `failsoft`.
export const SOURCE = 'failsoft.source';
export const CIRCUIT = 'failsoft.circuit';
export const CAUSE = 'failsoft.cause';
export const TRANSITION = 'failsoft.transition';

/** The attributes of a metric by the labels that all exporters share: `outcome` is `failsoft.outcome`. */
export function attributesOf(labels: Readonly<Record<string, string>>): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(labels)) {
    if (name === 'method') Object.assign(attributes, methodAttributes(value));
    else if (name === 'state') attributes['failsoft.circuit.state'] = value;
    else attributes[`failsoft.${name}`] = value;
  }
  return attributes;
}

/** @param path `/package.Service/Method`; the convention has no first slash */
function methodAttributes(path: string): Attributes {
  const method = path === OTHER ? OTHER_METHOD : path.replace(/^\//, '');
  return { [RPC_SYSTEM]: GRPC, [RPC_METHOD]: method };
}
