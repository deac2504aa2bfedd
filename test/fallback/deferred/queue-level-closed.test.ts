import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { ManualClock } from 'failsoft/testing';
import { expect, it } from 'vitest';
import { NOTHING } from '../../../src/fallback/deferred/queue-level/entries.js';
import { ReopeningLevel } from '../../../src/fallback/deferred/queue-level/reopening-level.js';

it('does not open the directory of a closed queue again, whose last batch failed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'failsoft-closed-'));
  const db = new ClassicLevel<string, string>(directory);
  try {
    await db.open();
    const level = new ReopeningLevel(db, NOTHING, new ManualClock(), () => undefined);
    await db.close(); // so that the batch fails
    await expect(level.batch(db, [{ type: 'put', key: 'k', value: 'v' }], NOTHING)).rejects.toThrow();
    await level.close();
    // As the withdrawal does that follows an enqueue which failed.
    await expect(level.ready()).rejects.toMatchObject({ code: 'FAILSOFT_CLOSED' });
    expect(db.status).toBe('closed');
  } finally {
    await db.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
