import { status } from '@grpc/grpc-js';
import type { Clock } from '../../clock.js';
import { MODEL_VERSION } from '../demand/models.js';
import { withoutTrailers } from './error-status.js';
import type { ModelHost } from './model-host.js';
import { presetAnswer, type ServerPreset } from './presets.js';
import { StatusError } from './unary.js';

/** The state that the handlers of a server share. */
export interface ServerContext {
  readonly clock: Clock;
  readonly hosts: readonly ModelHost[];
  /** The host of a model. @throws StatusError the preset's answer for an unknown model */
  host(name: string, version: string): ModelHost;
  /** Destroys the connection of a call. */
  dropConnection(peer: string): void;
}

/** Finds a model by name and version; an empty version means any. */
export function findHost(
  hosts: readonly ModelHost[],
  preset: ServerPreset,
  name: string,
  version: string,
): ModelHost {
  const host = hosts.find((candidate) => candidate.name === name);
  if (host && (version === '' || version === MODEL_VERSION)) return host;
  const shown = JSON.stringify(name.slice(0, 80));
  const detail = host
    ? `${shown} has version ${MODEL_VERSION}, not ${JSON.stringify(version.slice(0, 80))}`
    : `expected one of ${hosts.map((known) => known.name).join(', ')}, got ${shown}`;
  const answer = presetAnswer(preset, 'unknown-model', name, detail);
  throw new StatusError(withoutTrailers(answer ?? { code: status.NOT_FOUND, details: detail }));
}
