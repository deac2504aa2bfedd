import { opossumEngine } from 'failsoft/opossum';
import type { Engine } from '../../src/engines/engine.js';
import { nativeEngine } from '../../src/engines/native.js';

/** Every engine, for `describe.each(engines)('...: $name', ({ engine }) => ...)`; `engine()` gives a fresh one. */
export const engines: readonly { readonly name: string; engine(): Engine }[] = [
  { name: 'native', engine: () => nativeEngine },
  { name: 'opossum', engine: () => opossumEngine() },
];
