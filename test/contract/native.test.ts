import { nativeEngine } from '../../src/engines/native.js';
import { engineContract } from './engine-contract.js';

engineContract('native', nativeEngine);
