import type { Scenario } from '../scenario/scenario.js';
import { badModel } from './bad-model.js';
import { badRequests } from './bad-requests.js';
import { brownout } from './brownout.js';
import { cancelledProbes } from './cancelled-probes.js';
import { clientStall } from './client-stall.js';
import { clockStep } from './clock-step.js';
import { coldClient } from './cold-client.js';
import { coldStart } from './cold-start.js';
import { errors2 } from './errors-2.js';
import { errors10 } from './errors-10.js';
import { flapping } from './flapping.js';
import { gray30 } from './gray-30.js';
import { hang } from './hang.js';
import { hardDown } from './hard-down.js';
import { hardDown30 } from './hard-down-30.js';
import { lbResets } from './lb-resets.js';
import { oneBackendHangs } from './one-backend-hangs.js';
import { overload3x } from './overload-3x.js';
import { overload6x } from './overload-6x.js';
import { pushBack } from './push-back.js';
import { reset20 } from './reset-20.js';
import { reset200 } from './reset-200.js';
import { rollingRestart } from './rolling-restart.js';
import { secondaryDown } from './secondary-down.js';
import { sigstop } from './sigstop.js';
import { streamStall } from './stream-stall.js';
import { tinyDeadlines } from './tiny-deadlines.js';

/** All drills, in the order in which reports show them. */
export const SCENARIOS: readonly Scenario[] = [
  hardDown,
  hardDown30,
  sigstop,
  hang,
  brownout,
  gray30,
  overload3x,
  overload6x,
  badModel,
  errors10,
  errors2,
  reset20,
  reset200,
  lbResets,
  coldClient,
  flapping,
  coldStart,
  rollingRestart,
  oneBackendHangs,
  badRequests,
  tinyDeadlines,
  streamStall,
  secondaryDown,
  cancelledProbes,
  clientStall,
  clockStep,
  pushBack,
];
