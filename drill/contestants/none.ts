import { bareCaller } from './bare.js';
import type { Contestant } from './contestant.js';

export const none: Contestant = {
  name: 'none',
  about: 'A grpc-js client with deadlines and nothing else.',
  open: (setting) => bareCaller(setting),
};
