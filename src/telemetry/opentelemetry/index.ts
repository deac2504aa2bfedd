export type { MeteredGuard } from '../readings/metered-guard.js';
