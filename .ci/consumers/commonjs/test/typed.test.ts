// Jest with ts-jest, as Nest sets it up: type-checked, and compiled to CommonJS.
import { DEMAND_FEATURES, startMockServer } from 'failsoft/testing';
import { Guards, Predictor } from '../src/predictor';

test('the fallback answers while the model fails', async () => {
  const server = await startMockServer({ latencyMs: 0 });
  server.faults.set('demand-small', { error: { code: 14 } });
  const predictor = new Predictor(new Guards(), server.address);
  expect(await predictor.predict(DEMAND_FEATURES.map(() => 0))).toBe('default');
  predictor.close();
  await server.close();
});
