import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import {
  callUnary,
  createGuard,
  defaultPrediction,
  FallbackRegistry,
  failureRate,
  type Guard,
  lastGood,
  latencyPercentile,
  secondaryModel,
} from 'failsoft';
import { type DashboardServer, type ServeOptions, serveDashboard } from 'failsoft/dashboard';
import { GRPCInferenceServiceClient, GRPCInferenceServiceService } from 'failsoft/protos/oip';
import { demandRequest, labelledInputs, majorityAnswer, startMockServer } from 'failsoft/testing';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { chromiumVersion, startChromium } from '../../support/chromium.js';
import { inFull, LONG } from '../../support/long.js';
import { call, HOSTILE, METHOD } from './support.js';

const { modelInfer } = GRPCInferenceServiceService;
const TOKEN = 'a-token-of-the-test';
const DESKTOP = { width: 1360, height: 850 };
const PHONE = { width: 390, height: 844 };
/** With it, the pictures of the README are made anew. */
const PICTURES = process.env.FAILSOFT_PICTURES === '1' ? 'docs/images' : undefined;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser: Browser;

/** A tab whose errors, dialogs and requests to other hosts fail the test. */
async function openTab(url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const trouble: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) trouble.push(message.text());
  });
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on('dialog', (dialog) => {
    trouble.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:'))
      trouble.push(request.url());
  });
  onTestFinished(async () => {
    await context.close();
    expect(trouble).toEqual([]);
  });
  await page.goto(url);
  await page.locator('body[data-ready]').waitFor();
  return page;
}

/** What axe-core finds that is serious or critical. */
async function seriousIn(page: Page): Promise<string[]> {
  // the page's own policy forbids it to the page, not to the test
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await run.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 150)).join(' | ')}`);
  });
}

const overflow = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

async function serve(guard: Guard, options: ServeOptions = {}): Promise<DashboardServer> {
  const server = await serveDashboard(guard, { intervalMs: 100, process: 'pricing', ...options });
  onTestFinished(() => server.close());
  return server;
}

/** Callers of a real model that can be broken, with three fallbacks and steady traffic. */
async function trafficked() {
  const server = await startMockServer({ latencyMs: 3 });
  const insecure = credentials.createInsecure();
  const small = new GRPCInferenceServiceClient(server.address, insecure);
  const fallbacks = new FallbackRegistry().register(modelInfer, [
    lastGood(),
    secondaryModel(small, 'modelInfer', {
      name: 'small',
      request: (request) => ({ ...request, modelName: 'demand-small' }),
      maxConcurrent: 1,
    }),
    defaultPrediction(majorityAnswer),
  ]);
  const guard = createGuard({
    fallbacks,
    defaultDeadlineMs: 3_000,
    circuit: {
      trip: [
        failureRate({ threshold: 0.5, minimumCalls: 20 }),
        latencyPercentile({ percentile: 99, thresholdMs: 1_000, minimumCalls: 40 }),
      ],
      window: { type: 'count', size: 40 },
      open: { baseMs: 1_500, multiplier: 1 },
      recovering: { durationMs: 500 },
    },
  });
  const client = new GRPCInferenceServiceClient(server.address, insecure, {
    interceptors: [guard.interceptor],
  });
  const inputs = labelledInputs(77);
  const popular = Array.from({ length: 20 }, () => inputs.next().value);
  const errors: ServiceError[] = [];
  let calls = 0;
  const ask = (features: readonly number[] = []) => {
    callUnary(client, 'modelInfer', demandRequest('demand-large', features)).catch((error) =>
      errors.push(error),
    );
  };
  const timer = setInterval(() => {
    const input = calls++ % 2 === 0 ? popular[calls % popular.length] : inputs.next().value;
    ask(input?.features);
    // the small model takes one call at a time: of two new inputs at once, one gets the default
    if (calls % 8 === 0) ask(inputs.next().value.features);
  }, 12);
  onTestFinished(async () => {
    clearInterval(timer);
    await guard.close();
    client.close();
    small.close();
    await server.close();
  });
  return { guard, server, errors };
}

describe.skipIf(chromiumVersion === undefined)(
  `the page in a real browser (${chromiumVersion ?? 'no chromium'})`,
  () => {
    beforeAll(async () => {
      browser = await startChromium();
    });
    afterAll(async () => {
      await browser.close();
    });

    it('shows a model that is broken by a click, the answers of its callers, and its recovery', {
      timeout: 120_000,
    }, async () => {
      const { guard, server, errors } = await trafficked();
      for (const [index, path] of [
        '/fraud.v3.Detector/Score',
        '/shop.Ranker/Rank',
        '/shop.Churn/Predict',
        '/vision.Ocr/Read',
      ].entries()) {
        const answer = () => new Promise((resolve) => setTimeout(resolve, 3 + index * 6 + Math.random() * 4));
        const timer = setInterval(
          () => void guard.call({ path }, {}, answer).catch(() => undefined),
          30 + index * 15,
        );
        onTestFinished(() => clearInterval(timer));
      }
      const page = await serve(guard, {
        history: { stepMs: 100, steps: 90 },
        controls: {
          token: TOKEN,
          actions: [
            {
              label: 'Failing',
              run: () => server.faults.set('demand-large', { error: { code: status.UNAVAILABLE } }),
            },
            { label: 'Healthy', run: () => server.faults.set('demand-large', {}) },
          ],
        },
      });
      const tab = await openTab(`${page.url}#token=${TOKEN}`, { colorScheme: 'light' });
      expect(tab.url()).toBe(page.url);
      await tab.getByRole('heading', { name: 'All is well' }).waitFor();
      await tab
        .getByRole('row', { name: /demand-large/ })
        .getByText('all primary')
        .waitFor();

      await tab.getByRole('button', { name: 'Failing' }).click();
      await tab.mouse.move(2, 2);
      const card = tab.locator('.card');
      await card.getByText('open', { exact: true }).waitFor();
      expect(await tab.locator('h1').textContent()).toBe('demand-large is open');
      expect(await card.textContent()).toMatch(/since\s\d+\ss/);
      expect(await card.textContent()).toMatch(/calls failed|in a row failed/);
      await card.getByText(/next (probe|check) in \d/).waitFor();
      await card.locator('.legend', { hasText: 'last-good' }).waitFor();
      for (const source of ['small', 'default']) await card.locator('.legend', { hasText: source }).waitFor();
      // what callers get without the primary, once its last answers are out of sight
      await expect.poll(() => card.locator('.legend').textContent()).not.toContain('primary');
      await tab
        .locator('.moves')
        .getByText(/closed to open/)
        .first()
        .waitFor();
      expect(await tab.title()).toBe('(1) failsoft');
      expect(await overflow(tab)).toBeLessThanOrEqual(0);
      expect(await seriousIn(tab)).toEqual([]);
      await picture(tab, 'dashboard-light');

      await tab.emulateMedia({ colorScheme: 'dark' });
      if (LONG) expect(await seriousIn(tab)).toEqual([]);
      await picture(tab, 'dashboard-dark');
      await tab.setViewportSize(PHONE);
      expect(await overflow(tab)).toBeLessThanOrEqual(0);
      expect(await seriousIn(tab)).toEqual([]);
      await picture(tab, 'dashboard-phone');

      await card.getByRole('link').click();
      await tab.getByRole('heading', { name: 'demand-large' }).waitFor();
      await tab.getByText('trip', { exact: true }).waitFor();
      await tab.locator('.uplot').nth(2).waitFor();
      expect(await overflow(tab)).toBeLessThanOrEqual(0);
      await tab.setViewportSize(DESKTOP);
      expect(await overflow(tab)).toBeLessThanOrEqual(0);
      if (LONG) expect(await seriousIn(tab)).toEqual([]);
      await tab.emulateMedia({ colorScheme: 'light' });
      expect(await seriousIn(tab)).toEqual([]);
      await tab.keyboard.press('Escape');

      await tab.getByRole('button', { name: 'Healthy' }).click();
      await tab.mouse.move(2, 2);
      await tab
        .locator('.moves')
        .getByText(/recovering to closed/)
        .first()
        .waitFor();
      await tab.getByRole('row', { name: /demand-large.*closed|closed.*demand-large/ }).waitFor();
      expect(errors).toEqual([]);
    });

    it('shows every name as text', async () => {
      const guard = createGuard();
      for (const name of HOSTILE) call(guard.circuit(METHOD, name), 'failure', 5);
      const page = await serve(guard, { process: '<img src=x onerror=alert(1)>' });
      const tab = await openTab(page.url);
      expect(await tab.locator('.body .row').count()).toBe(HOSTILE.length);
      expect(await tab.locator('img, .body script').count()).toBe(0);
      const text = (await tab.locator('body').textContent()) ?? '';
      expect(text).toContain('<script>alert(1)</script>');
      expect(text).toContain('a\\u202eb');
      expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
      expect(await overflow(tab)).toBeLessThanOrEqual(0);
      if (LONG) expect(await seriousIn(tab)).toEqual([]);
      for (const name of await tab.locator('.card a').all()) {
        await name.click();
        await tab.locator('.circuit-page .uplot').first().waitFor();
        expect(await overflow(tab)).toBeLessThanOrEqual(0);
        await tab.keyboard.press('Escape');
      }
    });

    it('destroys the plots of a circuit page that is left', async () => {
      const guard = createGuard();
      call(guard.circuit(METHOD, 'm'), 'failure', 5);
      const page = await serve(guard);
      const tab = await openTab(page.url);
      // uPlot does not count its plots
      await tab.evaluate(`
        const Plot = globalThis.uPlot;
        globalThis.plots = 0;
        globalThis.uPlot = function (...args) {
          globalThis.plots += 1;
          const plot = new Plot(...args);
          const { destroy } = plot;
          plot.destroy = () => {
            globalThis.plots -= 1;
            destroy();
          };
          return plot;
        };
      `);
      for (let visit = 0; visit < 2; visit++) {
        await tab.locator('.card a').first().click();
        await tab.locator('.uplot').nth(2).waitFor();
        expect(await tab.evaluate('plots')).toBe(3);
        await tab.keyboard.press('Escape');
        await tab.locator('.card a').first().waitFor();
        expect(await tab.evaluate('plots')).toBe(0);
      }
    });

    it('asks for the token, isolates and releases', async () => {
      const guard = createGuard();
      const circuit = guard.circuit(METHOD, 'm');
      call(circuit, 'success');
      const page = await serve(guard, { controls: { token: TOKEN } });
      const tab = await openTab(page.url);
      await tab.getByRole('link', { name: 'm', exact: true }).click();
      await tab.getByRole('button', { name: 'Isolate' }).click();
      await tab.locator('#token').fill(TOKEN);
      expect(await seriousIn(tab)).toEqual([]);
      await tab.getByRole('button', { name: 'Continue' }).click();
      await tab.getByText('isolated: every call is rejected').waitFor();
      expect(circuit.isolated).toBe(1);
      await tab.getByRole('button', { name: 'Release' }).click();
      await tab.getByText('released', { exact: true }).waitFor();
      expect(circuit.isolated).toBe(0);
    });

    it('can be used by keyboard, keeps its order under the pointer, and finds', async () => {
      const guard = createGuard();
      for (const name of ['alpha', 'bravo', 'charlie', 'delta']) call(guard.circuit(METHOD, name), 'success');
      const page = await serve(guard);
      const tab = await openTab(page.url);
      const names = () => tab.locator('.body .row a').allInnerTexts();
      expect(await names()).toEqual(['alpha', 'bravo', 'charlie', 'delta']);
      // somebody is about to press
      await tab.locator('.body .row').nth(1).hover();
      call(guard.circuit(METHOD, 'delta'), 'failure', 5);
      await tab.locator('.body .row', { hasText: 'delta' }).getByText('open').waitFor();
      expect(await names()).toEqual(['alpha', 'bravo', 'charlie', 'delta']);
      expect(await tab.locator('.card').count()).toBe(0);
      await expect.poll(names).toEqual(['delta', 'alpha', 'bravo', 'charlie']);
      await tab.locator('.card').waitFor();

      await tab.keyboard.press('/');
      await tab.keyboard.type('CHAR');
      expect(await names()).toEqual(['charlie']);
      await tab.keyboard.press('Tab');
      await tab.keyboard.press('Tab');
      await tab.keyboard.press('Enter');
      await tab.getByRole('heading', { name: 'charlie' }).waitFor();
      await tab.goBack();
      await tab.getByLabel('Search circuits').fill('nobody');
      await tab.getByText('No circuit matches this search.').waitFor();
      for (const [label, theme] of [
        ['auto', 'light'],
        ['light', 'dark'],
      ] as const) {
        await tab.getByRole('button', { name: `Colours: ${label}` }).click();
        expect(await tab.locator('html').getAttribute('data-theme')).toBe(theme);
      }
      expect(await tab.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(13, 17, 23)');
    });

    it('shows that it is not connected, and begins anew when the program is back', async () => {
      const guard = createGuard();
      guard.circuit(METHOD, 'before');
      const first = await serveDashboard(guard, { intervalMs: 100 });
      const context = await browser.newContext({ viewport: DESKTOP });
      onTestFinished(() => context.close());
      const tab = await context.newPage();
      await tab.goto(first.url);
      await tab.getByText('Live').waitFor();
      await first.close();
      await tab.getByText(/Not connected for/).waitFor();
      guard.circuit(METHOD, 'after');
      const again = await serveDashboard(guard, { port: first.port });
      onTestFinished(() => again.close());
      await tab.getByText('Live').waitFor();
      expect(await tab.locator('.body .row a').allInnerTexts()).toEqual(['after', 'before']);
    });

    it('has time to spare with 1,000 circuits that all change ten times a second', {
      timeout: 120_000,
    }, async () => {
      const guard = createGuard({ maxCircuits: 2_000 });
      const circuits = Array.from({ length: 1_000 }, (_, n) => guard.circuit(METHOD, `model-${n}`));
      const page = await serve(guard, { history: { stepMs: 1_000, steps: 150 } });
      const timer = setInterval(() => {
        for (const circuit of circuits)
          call(circuit, Math.random() < 0.02 ? 'failure' : 'success', 1, 10 * Math.random());
      }, 100);
      onTestFinished(() => clearInterval(timer));
      const tab = await openTab(page.url);
      await expect.poll(() => tab.locator('.body .row').count()).toBe(1_000);
      const devtools = await tab.context().newCDPSession(tab);
      // of the thread alone: a busy machine counts for nothing
      await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
      const metrics = async () => {
        const { metrics: all } = await devtools.send('Performance.getMetrics');
        const of = (name: string) => all.find((metric) => metric.name === name)?.value ?? Number.NaN;
        return { busy: of('TaskDuration'), atMs: performance.now() };
      };
      const before = await metrics();
      await tab.waitForTimeout(inFull(3_000, 1_000));
      const after = await metrics();
      const share = ((after.busy - before.busy) * 1_000) / (after.atMs - before.atMs);
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThan(0.5);
    });
  },
);

/** In `npm test` none is taken. */
async function picture(page: Page, name: string): Promise<void> {
  if (!LONG && PICTURES === undefined) return;
  // the first picture must not be taken before the last frame
  await page.waitForTimeout(PICTURES === undefined ? 0 : 1_500);
  if (PICTURES !== undefined) mkdirSync(PICTURES, { recursive: true });
  const png = await page.screenshot(PICTURES === undefined ? {} : { path: `${PICTURES}/${name}.png` });
  expect(png.length).toBeGreaterThan(10_000);
}
