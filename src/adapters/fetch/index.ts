// failsoft/fetch: a guarded fetch, for models that are called over HTTP.

export { type HttpAnswer, type HttpRequest, httpAnswer, httpRoute } from '../http/http-message.js';
export { perJsonField } from '../http/per-json-field.js';
export type { Routes } from '../http/route.js';
export type { ClassifyResponse } from './fetch-call.js';
export { type GuardedFetch, type GuardedFetchOptions, guardedFetch } from './guarded-fetch.js';
