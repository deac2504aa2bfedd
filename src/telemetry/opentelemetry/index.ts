export type { MeteredGuard, MeteredQueue } from '../readings/metered-guard.js';
export { type OpenTelemetry, type OpenTelemetryOptions, openTelemetry } from './open-telemetry.js';
