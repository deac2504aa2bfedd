// failsoft/nice-grpc: a client middleware, and definitions for guardChannel() and fallbacks.

export { type MethodsOf, methodsOf } from './methods-of.js';
export { type FailsoftOptions, type GuardMiddlewareOptions, guardMiddleware } from './middleware.js';
