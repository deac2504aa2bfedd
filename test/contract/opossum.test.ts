import { opossumEngine } from 'failsoft/opossum';
import { engineContract } from './engine-contract.js';

engineContract('opossum', opossumEngine());
