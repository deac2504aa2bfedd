import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { credentials, makeClientConstructor, status } from '@grpc/grpc-js';
import { type AnyDefinition, loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { callUnary } from 'failsoft';
import { service as healthService } from 'grpc-health-check';
import { describe, expect, it } from 'vitest';
import { start, ZEROS } from './fixture.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const protos = fileURLToPath(new URL('../../protos', import.meta.url));
const buf = fileURLToPath(new URL('../../node_modules/.bin/buf', import.meta.url));

/** Runs buf curl, without a schema outside the repository: there it can only ask the server. */
function curl(address: string, method: string, data: unknown, schema?: string) {
  const args = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge'];
  args.push(...(schema ? ['--schema', schema] : ['--reflect']));
  if (data !== undefined) args.push('-d', JSON.stringify(data));
  return run([...args, `http://${address}/${method}`], schema ? root : tmpdir());
}

function run(args: readonly string[], cwd: string): Promise<{ ok: boolean; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(buf, args, { cwd, timeout: 50_000 }, (error, stdout, stderr) => {
      resolve({ ok: error === null, stdout, stderr });
    });
  });
}

const infer = 'inference.GRPCInferenceService/ModelInfer';
const input = { name: 'features', datatype: 'FP32', shape: [1, 16], contents: { fp32Contents: ZEROS } };

describe('buf curl', () => {
  it.each([
    ['the schema of protos/', protos],
    ['reflection alone', undefined],
  ])('gets a prediction with %s', async (_, schema) => {
    const { server } = await start();
    const { ok, stdout, stderr } = await curl(
      server.address,
      infer,
      { modelName: 'demand-small', inputs: [input] },
      schema,
    );
    expect(ok, stderr).toBe(true);
    const response = JSON.parse(stdout);
    expect(response).toMatchObject({ modelName: 'demand-small', modelVersion: '1' });
    expect(response.outputs[0]).toMatchObject({
      name: 'level',
      datatype: 'INT64',
      shape: ['1'],
      contents: { int64Contents: ['2'] },
    });
  });

  it('sets a fault by reflection, and gets the error of a bad fault', async () => {
    const { server } = await start();
    const method = 'failsoft.mock.v1.FaultService/SetFaults';
    const faults = { latency: { lognormal: { medianMs: 5, sigma: 1 } }, error: { share: 0.5, code: 14 } };
    const set = await curl(server.address, method, { model: 'demand-large', faults });
    expect(set.ok, set.stderr).toBe(true);
    expect(JSON.parse(set.stdout)).toEqual({ faults });
    expect(server.faults.get('demand-large')).toEqual({
      latency: { kind: 'lognormal', medianMs: 5, sigma: 1 },
      error: { share: 0.5, code: 14 },
    });
    const refused = await curl(server.address, method, { model: 'demand-large', faults: { hangShare: 7 } });
    expect(refused.ok).toBe(false);
    expect(refused.stderr).toMatch(
      /invalid_argument[\s\S]*faults\.hangShare: expected a number from 0 to 1, got 7/,
    );
  });

  it('asks grpc.health.v1 by reflection, and lists the services', async () => {
    const { server } = await start();
    const health = await curl(server.address, 'grpc.health.v1.Health/Check', { service: 'demand-large' });
    expect(health.ok, health.stderr).toBe(true);
    expect(JSON.parse(health.stdout)).toEqual({ status: 'SERVING' });
    const list = await run(
      [
        'curl',
        '--protocol',
        'grpc',
        '--http2-prior-knowledge',
        '--list-services',
        `http://${server.address}`,
      ],
      tmpdir(),
    );
    expect(list.stdout.trim().split('\n').sort()).toEqual([
      'failsoft.mock.v1.FaultService',
      'grpc.health.v1.Health',
      'inference.GRPCInferenceService',
    ]);
  });
});

it('grpc.health.v1 follows the faults: the server, the service and each model', async () => {
  const { server, client } = await start();
  const definition = healthService.Check;
  if (!definition) throw new Error('no Check');
  const check = (service: string) =>
    new Promise((resolve) => {
      const { path, requestSerialize, responseDeserialize } = definition;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, response) => {
        resolve(error ? error.code : Reflect.get(response ?? {}, 'status'));
      });
    });
  const all = () =>
    Promise.all(['', 'inference.GRPCInferenceService', 'demand-large', 'demand-small'].map(check));
  expect(await all()).toEqual(['SERVING', 'SERVING', 'SERVING', 'SERVING']);
  server.faults.set('demand-large', { notReady: true });
  expect(await all()).toEqual(['NOT_SERVING', 'NOT_SERVING', 'NOT_SERVING', 'SERVING']);
  // a model that was unloaded does not count for the server, as for ServerReady
  const large = { repositoryName: '', modelName: 'demand-large', parameters: new Map() };
  await callUnary(client, 'repositoryModelUnload', large);
  expect(await all()).toEqual(['SERVING', 'SERVING', 'NOT_SERVING', 'SERVING']);
  await callUnary(client, 'repositoryModelLoad', large);
  server.faults.clear('demand-large');
  expect(await all()).toEqual(['SERVING', 'SERVING', 'SERVING', 'SERVING']);
  expect(await check('other')).toBe(status.NOT_FOUND);
});

const isService = (definition: AnyDefinition): definition is ServiceDefinition => !('format' in definition);

it('a client made at run time by proto-loader gets a prediction', async () => {
  const { server } = await start();
  const definition = loadSync('inference/grpc_service.proto', { includeDirs: [protos], longs: String });
  const service = definition['inference.GRPCInferenceService'];
  if (!service || !isService(service)) throw new Error('no GRPCInferenceService');
  const Client = makeClientConstructor(service, 'GRPCInferenceService');
  const client = new Client(server.address, credentials.createInsecure());
  try {
    const response = await new Promise((resolve, reject) => {
      const request = { modelName: 'demand-large', id: 'x', inputs: [input] };
      client.modelInfer?.(request, (error: Error | null, answer: unknown) => {
        if (error) reject(error);
        else resolve(answer);
      });
    });
    expect(response).toMatchObject({
      id: 'x',
      outputs: [{ name: 'level', contents: { int64Contents: ['2'] } }, { name: 'probabilities' }],
    });
  } finally {
    client.close();
  }
});
