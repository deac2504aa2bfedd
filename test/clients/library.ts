import type { FallbackRegistry, Guard } from 'failsoft';

/** What a story does with a client: it asks a model, which gives back the number that it gets. */
export interface StoryClient {
  /** The answer, and where it came from. */
  ask(value: number): Promise<{ readonly answer: number; readonly source: string }>;
  close(): void;
}

/** A client library, as a user attaches a guard to it. */
export interface Library {
  readonly name: string;
  /** The packages that the story runs, whose versions the table of docs/clients.md shows. */
  readonly packages: readonly string[];
  /** How it is attached, as a cell of the table. */
  readonly attached: string;
  /** Lines of code that the guard adds. */
  readonly lines: number;
  /** How the source of an answer is read, as a cell of the table. */
  readonly source: string;
  /** The service that the story's faults are for, as the mock server names it: a model or a service. */
  readonly faults: 'm' | 'etcdserverpb.KV';
  /** The key of the circuit. */
  readonly circuitKey: string;
  /** Adds the chain of the story: the last good answer, then -1. */
  register(fallbacks: FallbackRegistry): void;
  connect(address: string, guard: Guard): StoryClient | Promise<StoryClient>;
}

/** The circuit of the model `m`, for all clients whose messages name it. */
export const MODEL_KEY = '/inference.GRPCInferenceService/ModelInfer#m';
