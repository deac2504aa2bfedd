import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { openLevelQueue, repairLevelQueue } from 'failsoft/queue-level';
import { seededRandom } from 'failsoft/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeferredJob } from '../../../src/fallback/deferred/queue.js';
import { seal } from '../../../src/fallback/deferred/queue-level/entries.js';
import { writesOf } from '../../../src/fallback/deferred/queue-level/format/batch.js';
import { crc32c } from '../../../src/fallback/deferred/queue-level/format/crc32c.js';
import { readLogs } from '../../../src/fallback/deferred/queue-level/format/log-reader.js';
import { readTable } from '../../../src/fallback/deferred/queue-level/format/table-reader.js';
import { JOBS, TOTALS } from '../../../src/fallback/deferred/queue-level/keys.js';
import { inFull } from '../../support/long.js';
import { SEED } from '../../support/properties.js';
import { job } from './deferred-queue.contract.js';

type Level = ClassicLevel<string, string>;

const FLIPS = inFull(400, 40);

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'failsoft-damage-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** Jobs in a table, and after them as many in the log; each in a write of its own. */
async function fill(at: string, jobs: number): Promise<DeferredJob[]> {
  const all = Array.from({ length: jobs }, (_, n) =>
    job(`job-${100 + n}`, { request: Buffer.alloc(100 + 40 * n, n).toString('base64') }),
  );
  for (const half of [all.slice(0, jobs / 2), all.slice(jobs / 2)]) {
    const queue = await openLevelQueue(at); // opening puts the log into a table
    for (const each of half) await queue.enqueue(each);
    await queue.close();
  }
  return all;
}

const filesOf = (at: string) =>
  readdirSync(at).filter((name) => /\.(log|ldb)$|^MANIFEST|^CURRENT/.test(name));
const logOf = (at: string) => join(at, filesOf(at).find((name) => name.endsWith('.log')) ?? '');

const tableOf = (at: string) => join(at, filesOf(at).find((name) => name.endsWith('.ldb')) ?? '');

/** Another process that opens the directory given, says so, and stays. */
const HOLD_LEVEL = `
import { ClassicLevel } from 'classic-level';
const db = new ClassicLevel(process.argv[1], { compression: false });
await db.open();
console.log('open');
setInterval(() => db, 1000);`;

function damage(file: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
}

async function jobsIn(at: string): Promise<DeferredJob[]> {
  const queue = await openLevelQueue(at);
  try {
    return await queue.take(1_000);
  } finally {
    await queue.close();
  }
}

describe('a damaged queue on LevelDB', () => {
  it('does not open, names the repair in its error, and is repaired except the damaged record', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 20);
    damage(logOf(at), (bytes) => {
      const middle = bytes.indexOf('job-114');
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    });
    for (let attempt = 0; attempt < 2; attempt++)
      await expect(openLevelQueue(at)).rejects.toMatchObject({
        code: 'FAILSOFT_DAMAGED',
        message: expect.stringMatching(/bytes of its log cannot be read.*repairLevelQueue/s),
      });
    const report = await repairLevelQueue(at);
    expect(report).toMatchObject({ jobs: 19, dead: 0, lostJobs: 1, unreadable: 0 });
    expect(report.damagedLogBytes).toBeGreaterThan(500);
    expect(await jobsIn(at)).toEqual(all.filter(({ id }) => id !== 'job-114'));
    expect(readdirSync(report.backup)).toContain('CURRENT');
  });

  it('keeps the readable entries of a damaged table, and leaves the rest in a backup', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 20);
    damage(tableOf(at), (bytes) => bytes.fill(0, 0, Math.min(700, bytes.length)));
    await expect(openLevelQueue(at)).rejects.toMatchObject({ code: 'FAILSOFT_DAMAGED' });
    const report = await repairLevelQueue(at);
    expect(report).toMatchObject({ lostJobs: expect.any(Number), damagedLogBytes: 0 });
    expect(report.lostJobs).toBeGreaterThan(0);
    expect(report.lostJobs).toBeLessThan(10);
    const found = await jobsIn(at);
    expect(found.length).toBe(20 - (report.lostJobs ?? 0));
    expect(all).toEqual(expect.arrayContaining(found));
  });

  it.each([
    ['the file CURRENT is missing', 'CURRENT', (file: string) => rmSync(file)],
    ['CURRENT names no file', 'CURRENT', (file: string) => writeFileSync(file, 'nonsense')],
    // a complaint of LevelDB's own
    [
      'does not end with newline',
      'CURRENT',
      (file: string) => damage(file, (bytes) => bytes.fill(32, bytes.length - 1)),
    ],
    ['cannot be read', 'MANIFEST', (file: string) => writeFileSync(file, '')],
    ['cannot be read', 'MANIFEST', (file: string) => damage(file, (bytes) => bytes.fill(7, 0, 20))],
  ])('does not begin anew: %s', async (text, name, harm) => {
    const at = join(parent, 'queue');
    const all = await fill(at, 6);
    harm(join(at, filesOf(at).find((file) => file.startsWith(name)) ?? ''));
    await expect(openLevelQueue(at)).rejects.toMatchObject({
      code: 'FAILSOFT_DAMAGED',
      message: expect.stringContaining(text),
    });
    expect(await repairLevelQueue(at)).toMatchObject({ jobs: 6, lostJobs: 0, unreadable: 0 });
    expect(await jobsIn(at)).toEqual(all);
  });

  it.each<[string, (db: Level, first: string) => Promise<void>, object]>([
    ['1 of 6 jobs are missing', (db, first) => db.del(first), { jobs: 5, dead: 0, lostJobs: 1 }],
    ['1 entries cannot be read', (db, first) => db.put(first, '{}'), { jobs: 5, dead: 1, lostJobs: 1 }],
    ['its totals cannot be read', (db) => db.put(TOTALS, '{}'), { jobs: 6, lostJobs: undefined }],
    [
      'should hold 6 jobs of',
      async (db, first) => db.put(`${first}0`, seal(`${first}0`, { job: job('job-1000'), delayMs: 0 })),
      { jobs: 7, lostJobs: 0 },
    ],
  ])('does not open where its files are whole, but not what they hold: %s', async (text, change, report) => {
    const at = join(parent, 'queue');
    await fill(at, 6);
    const db: Level = new ClassicLevel(at, { compression: false });
    const [first = ''] = await db.keys({ gte: JOBS, limit: 1 }).all();
    await change(db, first);
    await db.close();
    await expect(openLevelQueue(at)).rejects.toMatchObject({
      code: 'FAILSOFT_DAMAGED',
      message: expect.stringContaining(text),
    });
    expect(await repairLevelQueue(at)).toMatchObject(report);
  });

  it('saves the jobs of a table that has lost its index', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 20);
    damage(tableOf(at), (bytes) => bytes.fill(0, bytes.length - 60));
    await expect(openLevelQueue(at)).rejects.toMatchObject({ code: 'FAILSOFT_DAMAGED' });
    expect(await repairLevelQueue(at)).toMatchObject({ jobs: 20, lostJobs: 0 });
    expect(await jobsIn(at)).toEqual(all);
  });

  it('is not repaired while another process has it open', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 6);
    const other = spawn(process.execPath, ['--input-type=module', '-e', HOLD_LEVEL, at]);
    await once(other.stdout, 'data');
    try {
      await expect(openLevelQueue(at)).rejects.toMatchObject({ code: 'FAILSOFT_IN_USE' });
      await expect(repairLevelQueue(at)).rejects.toMatchObject({ code: 'FAILSOFT_IN_USE' });
    } finally {
      other.kill('SIGKILL');
      await once(other, 'close');
    }
    expect(await jobsIn(at)).toEqual(all);
    expect(readdirSync(at).filter((name) => name.startsWith('before'))).toEqual([]);
  });

  it('opens behind a write that was cut off, which was never acknowledged', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 6);
    const log = logOf(at);
    writeFileSync(log, readFileSync(log).subarray(0, -5));
    expect(await jobsIn(at)).toEqual(all.slice(0, -1));
  });

  it('repairs a queue that is whole, and changes nothing', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 6);
    expect(await repairLevelQueue(at)).toMatchObject({ jobs: 6, lostJobs: 0, damagedLogBytes: 0 });
    expect(await jobsIn(at)).toEqual(all);
  });

  it(`never loses a job without a word, whatever byte is damaged (${FLIPS} times)`, {
    timeout: 600_000,
  }, async () => {
    const random = seededRandom(SEED);
    const sound = join(parent, 'sound');
    const all = await fill(sound, 30);
    const byId = new Map(all.map((each) => [each.id, each]));
    let refused = 0;
    for (let flip = 0; flip < FLIPS; flip++) {
      const at = join(parent, `flip-${flip}`);
      cpSync(sound, at, { recursive: true });
      const files = filesOf(at);
      const file = files[Math.floor(random() * files.length)] ?? '';
      damage(join(at, file), (bytes) => {
        const place = Math.floor(random() * bytes.length);
        if (flip % 3 === 0) bytes[place] = (bytes[place] ?? 0) ^ (1 << Math.floor(random() * 8));
        else if (flip % 3 === 1)
          bytes.fill(Math.floor(random() * 256), place, Math.min(bytes.length, place + 16));
        else bytes.fill(0, place, Math.min(bytes.length, place + 512));
      });
      const opened = await jobsIn(at).catch((error: unknown) => error);
      if (Array.isArray(opened)) {
        // What is damaged at the log's very end looks like a write that was cut off.
        const mayLack = file.endsWith('.log') ? 2 : 0;
        expect(opened.length, `${flip}: ${file}`).toBeGreaterThanOrEqual(all.length - mayLack);
      } else {
        refused++;
        expect(opened, `${flip}: ${file}`).toMatchObject({ code: 'FAILSOFT_DAMAGED' });
        const report = await repairLevelQueue(at);
        const found = await jobsIn(at);
        for (const each of found) expect(each).toEqual(byId.get(each.id));
        const accounted = found.length + (report.lostJobs ?? all.length);
        if (report.damagedLogBytes === 0)
          expect(accounted, `${flip}: ${file}`).toBeGreaterThanOrEqual(all.length);
      }
      rmSync(at, { recursive: true });
    }
    expect(refused).toBeGreaterThan(FLIPS / 4);
  });
});

describe('the reader of LevelDB’s log', () => {
  it('computes CRC-32C', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283); // the check value of the polynomial's catalogue
  });

  it('reads what LevelDB wrote, also records over several blocks', async () => {
    const at = join(parent, 'queue');
    const queue = await openLevelQueue(at);
    const large = job('large', { request: 'A'.repeat(100_000) });
    await queue.enqueue(job('small'));
    await queue.enqueue(large);
    await queue.close();
    const { records, damagedBytes } = readLogs([readFileSync(logOf(at))]);
    expect(damagedBytes).toBe(0);
    const writes = records.map((record) => writesOf(record)?.map(({ key }) => key));
    expect(writes).toEqual([
      ['job!0000000000000001!small', 'totals'],
      ['job!0000000000000001!large', 'totals'],
    ]);
    const [put] = writesOf(records[1] ?? Buffer.alloc(0)) ?? [];
    expect(put?.value).toContain(large.request);
  });

  it('reads a table that LevelDB wrote, and the reader of tables finds what is damaged', async () => {
    const at = join(parent, 'queue');
    const all = await fill(at, 20);
    const bytes = readFileSync(tableOf(at));
    const table = readTable(bytes);
    expect(table.isWhole).toBe(true);
    expect(table.versions.map(({ key }) => key.slice('job!0000000000000001!'.length)).slice(0, 10)).toEqual(
      all.slice(0, 10).map(({ id }) => id),
    );
    for (let at = 0; at < bytes.length; at += 97) {
      const harmed = Buffer.from(bytes);
      harmed[at] = (harmed[at] ?? 0) ^ 4;
      const read = readTable(harmed);
      expect(table.versions).toEqual(expect.arrayContaining([...read.versions]));
    }
  });

  it.each([0, 1, 5, 12, 13, 20])('gives no writes for a record that is cut at %i', (end) => {
    const record = Buffer.from('0100000000000000010000000103616263036465', 'hex');
    expect(writesOf(record.subarray(0, end)) ?? []).toEqual([]);
  });
});
