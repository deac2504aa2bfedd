import { status } from '@grpc/grpc-js';
import type { Clock } from '../../clock.js';
import { withoutTrailers } from './error-status.js';
import type { ModelHost } from './model-host.js';
import { presetAnswer, type ServerPreset } from './presets.js';
import { StatusError } from './unary.js';

/** The state that the handlers of a server share. */
export interface ServerContext {
  readonly clock: Clock;
  readonly hosts: readonly ModelHost[];
  /** A model, loaded or not. @throws StatusError the preset's answer for an unknown model */
  known(name: string, version: string): ModelHost;
  /** A model that is loaded. @throws StatusError the preset's answer for an unknown model, Triton's for an unloaded one */
  host(name: string, version: string): ModelHost;
  /** Loads or unloads a model. */
  setLoaded(host: ModelHost, loaded: boolean): void;
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
  const versions = host?.model.versions ?? [];
  if (host && (version === '' || versions.includes(version))) return host;
  const shown = JSON.stringify(name.slice(0, 80));
  const detail = host
    ? `${shown} has version ${versions.join(', ')}, not ${JSON.stringify(version.slice(0, 80))}`
    : `expected one of ${hosts.map((known) => known.name).join(', ')}, got ${shown}`;
  const answer = presetAnswer(preset, 'unknown-model', name, detail);
  throw new StatusError(withoutTrailers(answer ?? { code: status.NOT_FOUND, details: detail }));
}

/** @throws StatusError as Triton answers a request for a model that was unloaded */
export function loadedHost(host: ModelHost): ModelHost {
  if (host.loaded) return host;
  const details = `Request for unknown model: '${host.name}' has no available versions`;
  throw new StatusError(withoutTrailers({ code: status.NOT_FOUND, details }));
}
