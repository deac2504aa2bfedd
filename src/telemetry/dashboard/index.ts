// failsoft/dashboard: the live page.
export { type DashboardHandler, dashboard } from './dashboard.js';
export type {
  ControlOptions,
  DashboardAction,
  DashboardOptions,
  HistoryOptions,
  ListenOptions,
  PageOptions,
  ServeOptions,
  ServeSourcesOptions,
} from './options.js';
export { type DashboardServer, serveDashboard } from './serve.js';
export type {
  AnswersView,
  CircuitRecord,
  CircuitView,
  DeltaMessage,
  PackedSample,
  ProcessView,
  Sample,
  SnapshotMessage,
  Step,
  TimelineEntry,
} from './view/protocol.js';
