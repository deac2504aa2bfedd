import {
  answerWith,
  createGuard,
  defaultPrediction,
  defaults,
  FallbackRegistry,
  type FallbackStrategy,
  failureRate,
  lastGood,
  noFallback,
} from 'failsoft';
import { opossumEngine } from 'failsoft/opossum';
import { GRPCInferenceServiceService, ModelInferRequest, ModelInferResponse } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';

const { modelInfer } = GRPCInferenceServiceService;

describe('guard.settingsOf', () => {
  it('gives the settings in force, with defaults, deadlines and fallbacks', () => {
    const trip = [failureRate({ threshold: 0.4, minimumCalls: 10 })];
    const fallbacks = new FallbackRegistry().register(modelInfer, [
      defaultPrediction({
        modelName: '',
        modelVersion: '',
        id: '',
        outputs: [],
        parameters: new Map(),
        rawOutputContents: [],
      }),
    ]);
    const guard = createGuard({
      circuit: { trip },
      defaultDeadlineMs: 300,
      fallbacks,
      methods: [{ match: modelInfer, fallbackReserveMs: 50 }],
    });
    guard.circuit(modelInfer, 'm');
    const settings = guard.settingsOf(`${modelInfer.path}#m`);
    expect(settings).toMatchObject({
      circuit: { trip, open: defaults.open, window: defaults.window },
      defaultDeadlineMs: 300,
      fallbackReserveMs: 50,
      stallTimeoutMs: Number.POSITIVE_INFINITY,
      fallbacks: ['default'],
    });
    for (const chain of fallbacks.chains().values()) chain.enabled = false;
    expect(guard.settingsOf(`${modelInfer.path}#m`)?.fallbacks).toEqual([]);
  });

  it('gives the default reserve: more if a fallback makes a call and the primary is known to be fast', async () => {
    const answer = ModelInferResponse.fromPartial({});
    const reserveWith = async (
      strategies: FallbackStrategy<ModelInferRequest, ModelInferResponse>[],
      calls = 25,
    ) => {
      const guard = createGuard({ fallbacks: new FallbackRegistry().register(modelInfer, strategies) });
      guard.circuit(modelInfer, 'm');
      for (let n = 0; n < calls; n++)
        await guard.call(modelInfer, ModelInferRequest.fromPartial({}), () => answer, { key: 'm' });
      return guard.settingsOf(`${modelInfer.path}#m`)?.fallbackReserveMs;
    };
    const calling = answerWith<ModelInferRequest, ModelInferResponse>('other', async () => undefined);
    const remembering = lastGood<ModelInferRequest, ModelInferResponse>();
    expect(await reserveWith([remembering])).toBe(20);
    expect(await reserveWith([remembering, calling])).toBe(100);
    expect(await reserveWith([remembering, calling], 0)).toBe(20);
    expect(await reserveWith([noFallback(), calling])).toBe(20);
    calling.enabled = false;
    expect(await reserveWith([calling])).toBe(20);
  });

  it('makes no circuit', () => {
    const guard = createGuard();
    expect(guard.settingsOf('/a.B/C#d')).toBeUndefined();
    expect(guard.snapshots()).toEqual([]);
  });

  it('follows reconfigure(), of the guard and of a single circuit', () => {
    const guard = createGuard();
    const circuit = guard.circuit('/a.B/C');
    guard.reconfigure({ circuit: { open: { baseMs: 7 } } });
    expect(guard.settingsOf('/a.B/C')?.circuit?.open?.baseMs).toBe(7);
    circuit.reconfigure({ open: { baseMs: 9 } });
    expect(guard.settingsOf('/a.B/C')?.circuit?.open?.baseMs).toBe(9);
  });

  it('names the field of a bad key, and reads the circuits of opossum', () => {
    const guard = createGuard({ engine: opossumEngine() });
    expect(() => guard.settingsOf(5 as unknown as string)).toThrow(
      /settingsOf\(circuitKey\): expected a string, got 5/,
    );
    guard.circuit('/a.B/C');
    expect(guard.settingsOf('/a.B/C')?.circuit?.open?.baseMs).toBeGreaterThan(0);
  });
});
