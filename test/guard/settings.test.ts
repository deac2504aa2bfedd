import {
  type CircuitOptions,
  consecutiveFailures,
  createGuard,
  type Engine,
  failureRate,
  type GuardOptions,
  type MethodOptions,
  type MethodRule,
  nativeEngine,
} from 'failsoft';
import { GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { describe, expect, it } from 'vitest';
import { compileMatch, type Match } from '../../src/guard/match.js';
import { SettingsResolver } from '../../src/guard/method-settings.js';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const READY = '/inference.GRPCInferenceService/ModelReady';

describe('a match', () => {
  it.each<[string, Match, string, number]>([
    ['a method definition', GRPCInferenceServiceService.modelInfer, INFER, 3],
    ['a path', INFER, INFER, 3],
    ['another path', '/inference.GRPCInferenceService/ModelReady', INFER, 0],
    ['a service definition', GRPCInferenceServiceService, INFER, 2],
    ['a service name', 'inference.GRPCInferenceService', INFER, 2],
    ['another service', 'inference.Other', INFER, 0],
    ['a pattern', 'inference.*', INFER, 1],
    ['a pattern with a path', '/inference.*/Model*', INFER, 1],
    ['a pattern whose dots are dots', 'inferenceX*', INFER, 0],
    ['everything', '*', INFER, 1],
    ['a regular expression', /Infer$/g, INFER, 1],
    ['a list: the closest', ['*', INFER], INFER, 3],
  ])('%s', (_what, match, path, rating) => {
    const matcher = compileMatch(match, 'match');
    expect([matcher.rate(path), matcher.rate(path)]).toEqual([rating, rating]);
  });

  it.each([[''], ['/only-one-part'], [{}], [[]], [7], [null], [{ a: 1 }]])('that is invalid: %j', (match) => {
    expect(() => compileMatch(match as unknown as Match, 'methods[0].match')).toThrow(
      /^methods\[0\]\.match: expected/,
    );
  });
});

/** The native engine, which also tells what it was asked to configure. */
function spying(): { engine: Engine; configured: (CircuitOptions | undefined)[] } {
  const configured: (CircuitOptions | undefined)[] = [];
  const engine: Engine = {
    ...nativeEngine,
    configure: (options, field) => {
      configured.push(options);
      return nativeEngine.configure(options, field);
    },
  };
  return { engine, configured };
}

describe('settings', () => {
  it('the most specific win, field by field; among equals the first listed', () => {
    const { engine, configured } = spying();
    const trip = [consecutiveFailures({ failures: 3 })];
    const rules: MethodRule[] = [
      { match: '*', defaultDeadlineMs: 1, stallTimeoutMs: 1, circuit: { mode: 'observe' } },
      { match: INFER, defaultDeadlineMs: 4, circuit: { trip } },
      { match: INFER, defaultDeadlineMs: 5, firstMessageTimeoutMs: 5 },
      { match: 'inference.GRPCInferenceService', defaultDeadlineMs: 2, abandonedAfterMs: 2 },
    ];
    const resolver = new SettingsResolver(
      engine,
      { minimumDeadlineMs: 0, circuit: { window: { type: 'count', size: 50 } } },
      rules,
    );
    const settings = resolver.for(INFER);
    expect(settings).toMatchObject({
      defaultDeadlineMs: 4,
      firstMessageTimeoutMs: 5,
      abandonedAfterMs: 2,
      stallTimeoutMs: 1,
      streamDeadlineMs: 4,
    });
    expect(settings.minimumDeadlineOf(60)).toBe(0);
    expect(settings.circuit.options).toEqual({ window: { type: 'count', size: 50 }, mode: 'observe', trip });
    expect(configured).toContainEqual(settings.circuit.options);
  });

  it('are not overridden by a specific setting that is undefined', () => {
    const { engine, configured } = spying();
    const trip = [consecutiveFailures({ failures: 3 })];
    const general = { defaultDeadlineMs: 500, circuit: { trip } };
    const settings = (rule: object) =>
      new SettingsResolver(engine, general, [{ match: INFER, ...rule }]).for(INFER);
    expect(settings({ defaultDeadlineMs: undefined, circuit: undefined }).defaultDeadlineMs).toBe(500);
    expect(configured.at(-1)).toEqual({ trip });
    settings({ circuit: { trip: undefined, mode: 'observe' } });
    expect(configured.at(-1)).toEqual({ trip, mode: 'observe' });
  });

  it.each([
    ['/grpc.health.v1.Health/Check', {}, false],
    ['/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', {}, false],
    ['/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics', {}, false],
    [INFER, {}, true],
    ['/grpc.health.v1.Health/Check', { methods: [{ match: '*' }] }, false],
    ['/grpc.health.v1.Health/Check', { methods: [{ match: 'grpc.health.v1.Health' }] }, true],
    ['/grpc.health.v1.Health/Check', { methods: [{ match: '/grpc.health.v1.Health/Check' }] }, true],
    ['/inference.GRPCInferenceService/ServerLive', {}, false],
    ['/inference.GRPCInferenceService/ServerReady', {}, false],
    ['/inference.GRPCInferenceService/ServerMetadata', {}, false],
    [READY, {}, false],
    ['/inference.GRPCInferenceService/ModelMetadata', {}, false],
    ['/inference.GRPCInferenceService/ModelStreamInfer', {}, true],
    ['/inference.GRPCInferenceService/RepositoryModelLoad', {}, true],
    ['/org.pytorch.serve.grpc.openinference.GRPCInferenceService/ModelReady', {}, false],
    [READY, { guard: true, methods: [{ match: '*' }] }, false],
    [READY, { methods: [{ match: 'inference.GRPCInferenceService' }] }, false],
    [READY, { methods: [{ match: GRPCInferenceServiceService }] }, false],
    [READY, { methods: [{ match: GRPCInferenceServiceService.modelReady }] }, true],
    [READY, { methods: [{ match: READY }] }, true],
    [READY, { methods: [{ match: READY, guard: false }] }, false],
    ['/tensorflow.serving.ModelService/GetModelStatus', {}, false],
    [
      '/tensorflow.serving.ModelService/GetModelStatus',
      { methods: [{ match: 'tensorflow.serving.ModelService' }] },
      true,
    ],
    ['/tensorflow.serving.PredictionService/GetModelMetadata', {}, false],
    ['/tensorflow.serving.PredictionService/Predict', {}, true],
    ['/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping', {}, false],
    ['/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions', {}, true],
    ['/ray.serve.RayServeAPIService/Healthz', {}, false],
    ['/bentoml.grpc.v1.BentoService/ServiceMetadata', {}, false],
    ['/vllm.grpc.engine.VllmEngine/HealthCheck', {}, false],
    ['/vllm.grpc.engine.VllmEngine/Generate', {}, true],
    [INFER, { methods: [{ match: INFER, guard: false }] }, false],
    [INFER, { guard: false }, false],
    [INFER, { guard: false, methods: [{ match: INFER, guard: true }] }, true],
    ['/grpc.health.v1.Health/Check', { guard: true }, false],
    ['/grpc.health.v1.Health/Check', { methods: [{ match: '*', guard: true }] }, false],
    ['/grpc.health.v1.Health/Check', { methods: [{ match: 'grpc.health.v1.Health', guard: false }] }, false],
  ])('%s is guarded by %j: %s', (path, options: MethodOptions & { methods?: MethodRule[] }, guarded) => {
    const { methods = [], ...general } = options;
    expect(new SettingsResolver(nativeEngine, general, methods).for(path).guarded).toBe(guarded);
  });

  it.each([
    [{}, 10],
    [{ defaultDeadlineMs: 500 }, 10],
    [{ defaultDeadlineMs: 5 }, 5],
    [{ defaultDeadlineMs: 5, minimumDeadlineMs: 20 }, 20],
  ])('%j: a deadline below %d ms is too short', (options, minimumDeadlineMs) => {
    const settings = new SettingsResolver(nativeEngine, options, []).for(INFER);
    expect(settings.minimumDeadlineOf(0)).toBe(minimumDeadlineMs);
    expect(settings.minimumDeadlineOf(60)).toBe('minimumDeadlineMs' in options ? minimumDeadlineMs : 60);
  });

  const settingsError = (general: object, methods: object[] = []) => {
    return () => new SettingsResolver(nativeEngine, general, methods as MethodRule[]);
  };
  const guardError = (options: object | null) => () => createGuard(options as GuardOptions);
  it.each<[() => unknown, string]>([
    [settingsError({ defaultDeadlineMs: 0 }), 'options.defaultDeadlineMs: expected a number from 1'],
    [settingsError({ firstMessageTimeoutMs: 0 }), 'options.firstMessageTimeoutMs: expected a number from 1'],
    [settingsError({ stallTimeoutMs: 0 }), 'options.stallTimeoutMs: expected a number from 1'],
    [settingsError({ abandonedAfterMs: 0 }), 'options.abandonedAfterMs: expected a number from 1'],
    [settingsError({ minimumDeadlineMs: -1 }), 'options.minimumDeadlineMs: expected a number from 0'],
    [settingsError({ stallTimeoutMs: '1' }), 'options.stallTimeoutMs: expected a number'],
    [settingsError({ fallbackBufferBytes: 1.5 }), 'options.fallbackBufferBytes: expected an integer'],
    [settingsError({ guard: 'no' }), 'options.guard: expected a boolean, got "no"'],
    [settingsError({ holdHeaders: 'no' }), 'options.holdHeaders: expected a boolean, got "no"'],
    [
      settingsError({ keyBy: () => 'x' }),
      'options.keyBy: expected perMethod(), perModel() or perKey(fn), got a function',
    ],
    [
      settingsError({ keyBy: null }),
      'options.keyBy: expected perMethod(), perModel() or perKey(fn), got null',
    ],
    [settingsError({ classify: null }), 'options.classify: expected an object, got null'],
    [
      settingsError({ classify: 'tfServing' }),
      'options.classify: expected an object such as presets.tfServing, got "tfServing"',
    ],
    [
      settingsError({ classify: 'Triton' }),
      'options.classify: expected an object such as presets.triton, got "Triton"',
    ],
    [guardError({ mode: 'observe' }), 'got an unknown option; did you mean circuit.mode?'],
    [guardError({ trip: [] }), 'got an unknown option; did you mean circuit.trip?'],
    [settingsError({ classify: { rules: 1 } }), 'options.classify.rules: expected an array'],
    [
      settingsError({}, [{ match: INFER, deadline: 1 }]),
      'options.methods[0].deadline: expected one of the options',
    ],
    [settingsError({}, [{ match: INFER }, { match: 'a b' }]), 'options.methods[1].match: expected'],
    [
      settingsError({ circuit: { window: { type: 'count', size: 10 } } }, [
        { match: INFER, circuit: { trip: [failureRate({ threshold: 0.5, minimumCalls: 20 })] } },
      ]),
      'options.methods[0].circuit.trip',
    ],
    ...[INFER, 'inference.GRPCInferenceService', GRPCInferenceServiceService].map<[() => unknown, string]>(
      (match) => [
        settingsError({}, [
          // Each is fine alone; together there are more calls to wait for than the window holds.
          {
            match: '*',
            circuit: { window: { type: 'count', size: 10 }, trip: [consecutiveFailures({ failures: 3 })] },
          },
          { match, circuit: { trip: [failureRate({ threshold: 0.5, minimumCalls: 20 })] } },
        ]),
        'options.methods[1].circuit.trip',
      ],
    ),
    [guardError(null), 'options: expected an object, got null'],
    [guardError({ methods: null }), 'methods: expected an array'],
    [guardError({ fallbacks: null }), 'options.fallbacks: expected a FallbackRegistry, got null'],
    [guardError({ engine: null }), 'options.engine: expected an engine, got null'],
    [guardError({ clock: {} }), 'options.clock.now: expected a function'],
    [guardError({ clock: { now: Date.now } }), 'options.clock.setTimer: expected a function'],
    [
      guardError({ clock: { now: Date.now, setTimer: () => () => {} } }),
      'options.clock.epochMs: expected a function',
    ],
    [guardError({ maxCircuits: 0 }), 'options.maxCircuits: expected an integer from 1'],
    [guardError([]), 'options: expected an object, got an array of 0'],
    [
      guardError({ breaker: true }),
      'holdHeaders, methods, fallbacks, rememberProvenance, engine, maxCircuits, clock, random, got an unknown option',
    ],
    [
      () => createGuard().circuit({} as never),
      'circuit(method): expected a method definition or a path, got',
    ],
    [() => createGuard().circuit(undefined as never), 'circuit(method): expected'],
    [() => createGuard().circuit(INFER, null as never), 'circuit(method, part): expected a string, got null'],
  ])('a bad one fails at construction: %#', (make, message) => {
    expect(make).toThrow(message);
  });
});
