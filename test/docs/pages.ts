import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A file of the repository. */
export const path = (fromRoot: string) => fileURLToPath(new URL(`../../${fromRoot}`, import.meta.url));

export const read = (fromRoot: string) => readFileSync(path(fromRoot), 'utf8');

/** Every page that a reader is shown. */
export const PAGES: readonly string[] = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'examples/README.md'],
  ...readdirSync(path('docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !file.startsWith('reference'))
    .map((file) => `docs/${file}`),
];

/** The rows of the tables below a heading, each as its cells; without the heads. */
export function tablesBelow(page: string, heading: string): string[][] {
  const [, section = ''] = new RegExp(`^## ${heading}$(.*?)(?=^## |(?![^]))`, 'ms').exec(page) ?? [];
  return section
    .split('\n')
    .filter((line, index, lines) => line.startsWith('| ') && !lines[index + 1]?.startsWith('|---'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
}
