// failsoft/connect: an interceptor for transports of connect-es 2.

export { connectMethod } from './connect-method.js';
export { type GuardInterceptorOptions, guardInterceptor } from './guard-interceptor.js';
