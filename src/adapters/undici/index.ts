// failsoft/undici: an interceptor for undici's dispatchers, for models that are called over HTTP.

export { type HttpAnswer, type HttpRequest, httpAnswer, httpRoute } from '../http/http-message.js';
export { perJsonField } from '../http/per-json-field.js';
export type { Routes } from '../http/route.js';
export {
  type GuardedDispatchOptions,
  type GuardInterceptorOptions,
  guardInterceptor,
} from './guard-interceptor.js';
export type { ClassifyHead, ResponseHead } from './response-head.js';
