import { readOptions, type SoakOptions, USAGE } from './options.js';
import { runSoak } from './run-soak.js';

async function main(): Promise<number> {
  let options: SoakOptions;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    console.error(`\n${USAGE}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  return (await runSoak(options)) ? 0 : 1;
}

// A part that failed in the middle leaves servers and clients open: they must not keep the process.
process.exit(await main());
