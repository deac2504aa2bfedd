import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { pageAssets } from '../../../scripts/embed-page.js';
import { path } from '../../examples/support.js';

it('the embedded page is that of its sources: npm run generate', async () => {
  const committed = readFileSync(path('src/gen/dashboard/assets.ts'), 'utf8');
  expect((await pageAssets()) === committed).toBe(true);
});
