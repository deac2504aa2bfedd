import { status } from '@grpc/grpc-js';

/** The model servers that the mock server can imitate. */
export const SERVER_PRESETS = [
  'triton',
  'tfServing',
  'kserve',
  'mlserver',
  'torchServe',
  'rayServe',
] as const;
/** One of the {@link SERVER_PRESETS}. */
export type ServerPreset = (typeof SERVER_PRESETS)[number];

/** The conditions that a server answers without running a model. */
export type Condition = 'unknown-model' | 'bad-input' | 'not-ready' | 'queue-full' | 'queue-timeout';

export interface StatusAnswer {
  readonly code: status;
  readonly details: string;
}

/** `undefined`: the server does not answer, and the caller's deadline ends the call. */
type Row = readonly [code: status, details: (model: string) => string] | undefined;
type Table = Readonly<Record<Condition, Row>>;

/** The answers of most servers. Presets override them. */
const usual: Table = {
  'unknown-model': [status.NOT_FOUND, () => 'unknown model'],
  'bad-input': [status.INVALID_ARGUMENT, () => 'bad input'],
  'not-ready': [status.UNAVAILABLE, (model) => `Model ${model} is not ready`],
  'queue-full': [status.RESOURCE_EXHAUSTED, (model) => `Too many requests for model ${model}`],
  'queue-timeout': [status.RESOURCE_EXHAUSTED, (model) => `Waited too long for model ${model}`],
};

/** The codes, and the texts that clients match, from each server's source code. */
const TABLES: Readonly<Record<ServerPreset, Table>> = {
  triton: {
    ...usual,
    'queue-full': [status.UNAVAILABLE, (model) => `Exceeds maximum queue size of model ${model}`],
    'queue-timeout': [status.UNAVAILABLE, () => 'Request timeout expired'],
  },
  tfServing: {
    ...usual,
    'not-ready': [status.NOT_FOUND, (model) => `Servable not found for request: ${model}`],
    'queue-full': [status.UNAVAILABLE, (model) => `The batch scheduling queue of ${model} is full`],
  },
  // Neither KServe nor MLServer has a bounded queue: the proxy in front of them answers like `usual`.
  kserve: usual,
  mlserver: {
    ...usual,
    'not-ready': [status.INVALID_ARGUMENT, (model) => `Model ${model} is not ready yet`],
  },
  torchServe: {
    'unknown-model': [status.INTERNAL, () => 'ModelNotFoundException'],
    'bad-input': [status.UNAVAILABLE, () => 'Prediction failed'],
    'not-ready': [status.INTERNAL, (model) => `Model ${model} has no worker to serve the request`],
    'queue-full': [status.INTERNAL, (model) => `The job queue of model ${model} is full`],
    'queue-timeout': undefined,
  },
  rayServe: {
    ...usual,
    'queue-timeout': [status.DEADLINE_EXCEEDED, (model) => `Waited too long for deployment ${model}`],
  },
};

/**
 * A server's answer to a condition.
 * @param detail a text that is added to the server's text. @default none
 * @returns undefined where the server does not answer
 */
export function presetAnswer(
  preset: ServerPreset,
  condition: Condition,
  model: string,
  detail?: string,
): StatusAnswer | undefined {
  const row = TABLES[preset][condition];
  if (!row) return undefined;
  const [code, text] = row;
  return { code, details: detail === undefined ? text(model) : `${text(model)}: ${detail}` };
}
