import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { Report } from './report/report.js';

const GIB = 2 ** 30;

/** The outline of the machine, without its name, and the versions of the packages that were run. */
export function surroundings(): Pick<Report, 'node' | 'machine' | 'versions'> {
  return {
    node: process.version,
    machine: {
      cores: availableParallelism(),
      memoryGiB: Math.round(totalmem() / GIB),
      platform: `${process.platform} ${process.arch}`,
    },
    versions: Object.fromEntries(
      ['@grpc/grpc-js', 'cockatiel', 'opossum'].map((name) => [name, versionOf(name)]),
    ),
  };
}

/** Reads the version from the file, because not every package exports its package.json. */
function versionOf(name: string): string {
  const url = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(url, 'utf8'));
  return version;
}
