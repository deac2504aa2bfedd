import { bareCaller } from './bare.js';
import type { Contestant } from './contestant.js';

/**
 * gRFC A50. By its defaults it checks every 10 s, ejects for 30 s, and does nothing below five hosts. Here it checks each second,
 * ejects for as long as the other contestants keep their circuits open, and works with a single host.
 */
const SERVICE_CONFIG = {
  loadBalancingConfig: [
    {
      outlier_detection: {
        interval: { seconds: 1, nanos: 0 },
        base_ejection_time: { seconds: 1, nanos: 0 },
        max_ejection_percent: 50,
        failure_percentage_ejection: { threshold: 50, minimum_hosts: 1, request_volume: 20 },
        child_policy: [{ round_robin: {} }],
      },
    },
  ],
};

export const outlier: Contestant = {
  name: 'outlier',
  about:
    "grpc-js's outlier detection (gRFC A50) over round_robin: it ejects a server for a second if half of 20 calls in a second failed.",
  open: (setting) => bareCaller(setting, SERVICE_CONFIG),
};
