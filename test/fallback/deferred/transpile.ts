import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Writes a TypeScript file, and what it imports from this repository, as JavaScript into `directory`: a process that is
 * started a hundred times should not compile itself each time.
 * @returns the path of the file's JavaScript
 */
export function transpileInto(directory: string, file: string): string {
  const done = new Set<string>();
  const todo = [file];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (done.has(path)) continue;
    done.add(path);
    const source = readFileSync(path, 'utf8');
    for (const { fileName } of ts.preProcessFile(source).importedFiles) {
      const imported = join(dirname(path), fileName.replace(/\.js$/, '.ts'));
      if (fileName.startsWith('.') && existsSync(imported)) todo.push(imported);
    }
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(directory, relative(root, path)).replace(/\.ts$/, '.js');
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
  }
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  return join(directory, relative(root, file)).replace(/\.ts$/, '.js');
}
