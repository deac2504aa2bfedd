#!/usr/bin/env node
import { type CliOptions, HELP, parseCli, UsageError } from './cli-options.js';
import { type MockServer, startMockServer } from './server/start-mock-server.js';

async function main(): Promise<void> {
  const options = readOptions();
  if (options === 'help') {
    process.stdout.write(HELP);
    return;
  }
  if (options === undefined) return;
  const server = await start(options);
  if (!server) return;
  const stop = () => {
    void server.close();
    // An open standard input would keep the process alive.
    process.stdin.destroy();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  if (options.untilStdinEnds) process.stdin.once('close', stop).resume();
  // Last, because a reader of this line may stop the process at once.
  const { address, models } = server;
  console.log(
    options.json
      ? JSON.stringify({ address, models })
      : `failsoft-mock-server listens on ${address} with the models ${models.join(', ')}`,
  );
}

function readOptions(): 'help' | CliOptions | undefined {
  try {
    return parseCli(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`failsoft-mock-server: ${error.message}\nTry --help.`);
    process.exitCode = 2;
    return undefined;
  }
}

async function start(options: CliOptions): Promise<MockServer | undefined> {
  try {
    return await startMockServer(options.server);
  } catch (error) {
    const { host = '127.0.0.1', port } = options.server;
    const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    const reason = inUse
      ? `port ${port} of ${host} is in use`
      : error instanceof Error
        ? error.message
        : String(error);
    console.error(`failsoft-mock-server: ${reason}`);
    process.exitCode = 1;
    return undefined;
  }
}

await main();
