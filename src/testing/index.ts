export {
  DEMAND_FEATURES,
  DEMAND_LEVELS,
  type LabelledInput,
  labelledInputs,
  MAJORITY_LEVEL,
} from './demand/inputs.js';
export { demandLevel, demandRequest, majorityAnswer } from './demand/messages.js';
export { DEMAND_MODELS, type DemandModelName, NETWORKS } from './demand/models.js';
export type { Layer, NetworkWeights } from './demand/network.js';
export type { FaultBoard } from './faults/fault-board.js';
export type {
  ErrorFault,
  FaultPlan,
  Latency,
  QueueLimit,
  StreamBreak,
  StreamFault,
  WarmUp,
} from './faults/plan.js';
export { ManualClock } from './manual-clock.js';
export { seededRandom } from './random.js';
export type { ModelFunction, OwnModel, TensorSpec } from './served/own-model.js';
export type { ModelAnswer, ModelContext } from './served/served-model.js';
export type { MockServerOptions } from './server/options.js';
export type { MockService } from './server/own-services.js';
export { SERVER_PRESETS, type ServerPreset } from './server/presets.js';
export { type MockServer, startMockServer } from './server/start-mock-server.js';
