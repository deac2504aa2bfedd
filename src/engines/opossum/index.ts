export { type OpossumEngine, opossumEngine } from './opossum-engine.js';
