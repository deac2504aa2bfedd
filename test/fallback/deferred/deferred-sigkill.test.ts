import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { seededRandom } from 'failsoft/testing';
import { describe, expect, it } from 'vitest';
import { compiled } from '../../support/compiled.js';
import { inFull } from '../../support/long.js';
import { startInferServer } from '../infer-server.js';
import { response } from '../support.js';

const KILLS = inFull(100, 8);
const LANES = 2;

const child = compiled('test/fallback/deferred/sigkill/child.ts');
const poison = compiled('test/fallback/deferred/sigkill/poison.ts');

describe('an acknowledged job', () => {
  it(`is predicted, though the process is killed ${KILLS} times`, { timeout: 600_000 }, async () => {
    const predicted = new Map<string, number>();
    const server = await startInferServer((call, done) => {
      const id = String(call.metadata.get('failsoft-idempotency-key')[0]);
      predicted.set(id, (predicted.get(id) ?? 0) + 1);
      done(null, response());
    });
    const acknowledged = new Set<string>();
    const errors: string[] = [];

    /** One life of the process; it is killed some time after its first word. */
    const live = async (directory: string, mode: 'fill' | 'drain', killAfterMs?: number) => {
      const running = spawn(process.execPath, [child, directory, String(server.port), mode], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const complaints: string[] = [];
      running.stderr.on('data', (data) => complaints.push(String(data)));
      const output = createInterface(running.stdout);
      if (killAfterMs !== undefined)
        output.once('line', () => setTimeout(() => running.kill('SIGKILL'), killAfterMs));
      output.on('line', (line) => {
        if (line.startsWith('ack ')) acknowledged.add(line.slice(4));
        else if (line.startsWith('error ')) errors.push(line);
      });
      const [code, signal] = await once(running, 'close');
      if (killAfterMs !== undefined ? signal !== 'SIGKILL' : code !== 0) errors.push(complaints.join(''));
    };

    const lane = async (number: number) => {
      const directory = mkdtempSync(join(tmpdir(), 'failsoft-sigkill-'));
      const random = seededRandom(number);
      for (let kill = 0; kill < KILLS / LANES; kill++) await live(directory, 'fill', random() * 50);
      await live(directory, 'drain');
      rmSync(directory, { recursive: true, force: true });
    };
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number + 1)));
    server.stop();

    expect(errors).toEqual([]);
    expect(acknowledged.size).toBeGreaterThanOrEqual(KILLS); // each life had said a word when it was killed
    expect([...acknowledged].filter((id) => !predicted.has(id))).toEqual([]);
  });
});

describe('a job that ends its process each time', () => {
  it('is dead after maxFailures, and no other job with it', { timeout: 600_000 }, async () => {
    const server = await startInferServer((_call, done) => done(null, response()));
    const directory = mkdtempSync(join(tmpdir(), 'failsoft-poison-'));
    const done = new Set<string>();
    const dead: string[] = [];
    let lives = 0;
    for (let code: number | null = 1; code !== 0; lives++) {
      expect(lives).toBeLessThan(10);
      const running = spawn(process.execPath, [poison, directory, String(server.port), String(lives)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      createInterface(running.stdout).on('line', (line) => {
        if (line.startsWith('done ')) done.add(line.slice('done '.length));
        else if (line.startsWith('dead ')) dead.push(line);
      });
      [code] = await once(running, 'close');
    }
    server.stop();
    rmSync(directory, { recursive: true, force: true });
    expect(dead).toEqual(['dead poison: 3 replays, 3 failed, 3 of them cut short by the end of the process']);
    expect([...done].toSorted()).toEqual(Array.from({ length: 9 }, (_, n) => `innocent-${n}`));
    expect(lives).toBe(4);
  });
});
