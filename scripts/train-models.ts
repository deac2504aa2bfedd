// Trains the mock server's models and writes their weights: npm run train
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DEMAND_LEVELS, MAJORITY_LEVEL } from '../src/testing/demand/inputs.js';
import { heldOutInputs, PLANS, trainingInputs } from './demand-plans.js';
import { train } from './trainer.js';

const samples = trainingInputs();
const heldOut = heldOutInputs();
const shareOf = (level: number) => heldOut.filter((input) => input.level === level).length / heldOut.length;

for (const [name, plan] of Object.entries(PLANS)) {
  const startedAt = performance.now();
  const weights = train(plan, samples, heldOut);
  const path = fileURLToPath(new URL(`../src/testing/models/${name}.weights.json`, import.meta.url));
  writeFileSync(path, `${JSON.stringify(weights)}\n`);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${name}: held-out accuracy ${weights.heldOutAccuracy.toFixed(3)} (trained in ${seconds} s)`);
}
console.log(`always "${DEMAND_LEVELS[MAJORITY_LEVEL]}": ${shareOf(MAJORITY_LEVEL).toFixed(3)}`);
console.log(
  `shares of the levels: ${DEMAND_LEVELS.map((name, level) => `${name} ${shareOf(level).toFixed(3)}`).join(', ')}`,
);
