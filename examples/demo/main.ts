import { writeFileSync } from 'node:fs';
import { type Engine, nativeEngine } from 'failsoft';
import { DemoClient } from './client.js';
import { liveView } from './live-view.js';
import { type DemoOptions, type EngineName, HELP, parseOptions, UsageError } from './options.js';
import { servePage } from './page.js';
import { PHASES, type Phase, runPhases } from './phases.js';
import { DemoRecord } from './record.js';
import { conclusion, headline, phaseLine, table, transitionLine } from './report.js';
import { Screen } from './screen.js';
import { ServerProcess } from './servers.js';
import { POPULAR_INPUTS, POPULAR_SHARE, PRIMARY_MODEL, RATE, startTraffic } from './traffic.js';

/** Exit codes of a process that a signal ended, by convention. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;
/** The exit code for SIGPIPE, by the same convention: nothing reads the output any more. */
const OUTPUT_CLOSED = 141;
const REDRAW_MS = 100;

async function main(): Promise<void> {
  const options = readOptions();
  if (options === 'help') process.stdout.write(HELP);
  else if (options !== undefined) await run(options);
}

function readOptions(): 'help' | DemoOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`demo: ${error.message}\nTry --help.`);
    process.exitCode = 2;
    return undefined;
  }
}

async function run(options: DemoOptions): Promise<void> {
  const { slow, host, seed } = options;
  const stopped = new AbortController();
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      process.exitCode = code;
      stopped.abort();
    });
  }
  process.stdout.on('error', () => {
    process.exitCode = OUTPUT_CLOSED;
    stopped.abort();
  });
  const started = await Promise.allSettled([
    ServerProcess.start({ model: PRIMARY_MODEL, latencyMs: 10 * slow, host, seed }),
    ServerProcess.start({ model: 'demand-small', latencyMs: 20 * slow, host, seed }),
  ]);
  const servers = started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  try {
    const [primary, secondary] = servers;
    const failed = started.find((start) => start.status === 'rejected');
    if (failed) throw failed.reason;
    if (primary && secondary) await play(options, primary, secondary, stopped.signal);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function play(
  { seconds, slow, engine, seed, keep, port, headless, json }: DemoOptions,
  primary: ServerProcess,
  secondary: ServerProcess,
  signal: AbortSignal,
): Promise<void> {
  const { stdout } = process;
  const redraws = stdout.isTTY && !headless;
  const hasColours = redraws && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const screen = new Screen(
    (text) => stdout.write(text),
    () => ({ columns: redraws ? stdout.columns : 0, rows: stdout.rows }),
  );
  const phaseMs = (seconds * 1_000) / PHASES.length;
  const addresses = { primary: primary.address, secondary: secondary.address };
  const client = new DemoClient(addresses, await engineNamed(engine), { phaseMs, slow, seed });
  await client.ready();
  const page = headless ? undefined : await servePage(client, primary, port);

  screen.line(
    `primary ${PRIMARY_MODEL} at ${addresses.primary}, secondary demand-small at ${addresses.secondary}`,
  );
  screen.line(
    `${Number((RATE / slow).toFixed(1))} calls/s for ${seconds} s (seed ${seed}, ${engine} engine); ` +
      `${POPULAR_SHARE * 100} % of them send one of ${POPULAR_INPUTS} popular inputs, the others new inputs`,
  );
  if (page) {
    screen.line(`the page: ${page.link}`);
    screen.line(`metrics for Prometheus: ${page.metricsUrl}`);
  }
  const record = new DemoRecord();
  let phaseBeganMs = performance.now();
  // the view of a terminal shows the same facts as these lines
  const log = (text: string) => {
    if (!redraws) screen.line(text);
  };
  client.guard.on('transition', (event) => log(transitionLine(record.addTransition(event))));
  const lines: Promise<void>[] = [];
  const endPhase = () => {
    const ended = record.phases.at(-1);
    if (ended) lines.push(ended.settled().then(() => log(phaseLine(ended))));
  };
  const beginPhase = (phase: Phase) => {
    endPhase();
    log(headline(phase, Date.now() - record.startedAtMs));
    phaseBeganMs = performance.now();
    record.begin(phase.name);
  };
  const redraw = setInterval(() => {
    const [circuit] = redraws ? client.guard.snapshots() : [];
    const inPhaseMs = performance.now() - phaseBeganMs;
    screen.draw(liveView(record, { phaseMs, inPhaseMs, circuit, nowMs: Date.now(), hasColours }));
  }, REDRAW_MS);
  const stopTraffic = startTraffic(seed, RATE / slow, ({ features, level }) => {
    const phase = record.phases.at(-1);
    if (phase === undefined) return;
    phase.callBegins();
    const startMs = performance.now();
    void client
      .predict(features)
      .then((ending) => record.callEnds(phase, ending, level, performance.now() - startMs));
  });
  try {
    await runPhases(primary, phaseMs, beginPhase, signal);
    if (keep) {
      log('the page and the metrics stay until you press Ctrl-C');
      await aborted(signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stopTraffic();
    clearInterval(redraw);
    endPhase();
    await Promise.all(lines);
    await page?.close();
    await client.close();
  }
  if (signal.aborted && record.phases.length < PHASES.length)
    screen.line('the demo was stopped before its end');
  screen.line(`\n${table(record)}\n\n${conclusion(record)}`);
  for (const [message, times] of record.errorMessages) screen.line(`error, ${times} times: ${message}`);
  if (json !== undefined) save(json, `${JSON.stringify(record.result(seconds, seed), null, 2)}\n`);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function save(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    console.error(`demo: the result could not be written: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}

async function engineNamed(name: EngineName): Promise<Engine> {
  if (name === 'native') return nativeEngine;
  const { opossumEngine } = await import('failsoft/opossum');
  return opossumEngine();
}

await main();
