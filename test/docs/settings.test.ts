import { createGuard } from 'failsoft';
import { describe, expect, it } from 'vitest';
import { resolveOptions } from '../../src/circuit/options/resolve.js';
import { nativeEngine } from '../../src/engines/native.js';
import { METHOD_OPTION_KEYS } from '../../src/guard/method-options.js';
import { SettingsResolver } from '../../src/guard/method-settings.js';
import { read, tablesBelow } from './pages.js';

const page = read('docs/settings.md');

/** The documented options of a section, with their defaults. */
function documented(heading: string): Map<string, string> {
  return new Map(
    tablesBelow(page, heading)
      .filter(([option = '']) => /^`[\w.]+`$/.test(option))
      .map(([option = '', value = '']) => [option.slice(1, -1), value]),
  );
}

/** The options that exist: an unknown option's error lists them. */
function known(cause: () => unknown): string[] {
  try {
    cause();
  } catch (error) {
    const [, names = ''] = /one of the options (.*), got/.exec(String(error)) ?? [];
    return names.split(', ').sort();
  }
  throw new Error('expected an error that lists the options');
}

describe('docs/settings.md', () => {
  it('lists the options of a guard', () => {
    const guard = known(() => createGuard(JSON.parse('{"misspelt": true}')));
    const own = guard.filter((name) => !METHOD_OPTION_KEYS.includes(name));
    expect([...documented('Guard').keys()].sort()).toEqual(own);
  });

  it('lists the options of a method, with their defaults', () => {
    expect([...documented('Methods').keys()].sort()).toEqual([...METHOD_OPTION_KEYS].sort());
    const settings = new SettingsResolver(nativeEngine, {}, []).for('/a.B/C');
    const numbers = Object.entries(settings).filter(([name, value]) => {
      return typeof value === 'number' && METHOD_OPTION_KEYS.includes(name);
    });
    expect(numbers.length).toBeGreaterThanOrEqual(5);
    for (const [name, value] of numbers)
      expect(documented('Methods').get(name)?.replaceAll('`', ''), name).toBe(String(value));
    expect(documented('Methods').get('holdHeaders')).toBe(`\`${settings.holdHeaders}\``);
    const reserves = [false, true].map((calls) => settings.fallbackReserve.of(60_000, calls, 1));
    expect(documented('Methods').get('fallbackReserveMs')).toBe(reserves.join(', or '));
    expect(documented('Methods').get('guard')).toBe(`\`${settings.guarded}\``);
  });

  it('begins, like the docstring, with the fact that setting `trip` replaces the default rules', () => {
    const [, , meaning = ''] = tablesBelow(page, 'Circuits').find(([option]) => option === '`trip`') ?? [];
    expect(meaning).toMatch(
      /^\*\*Setting it replaces both default rules\*\*; `\[\.\.\.defaults\.trip, rule\]` adds/,
    );
    const source = read('src/circuit/options/circuit-options.ts');
    const before = source.slice(0, source.indexOf('readonly trip?:'));
    const docstring = before.slice(before.lastIndexOf('/**'));
    expect(docstring).toMatch(
      /^\/\*\*\s+\* Setting this replaces the default rules; to add a rule to them, spread them:/,
    );
  });

  it('lists the options of a circuit, with their defaults', () => {
    const expected = new Map<string, unknown>();
    for (const [name, value] of Object.entries(resolveOptions(undefined, 'circuit'))) {
      if (['open', 'halfOpen', 'recovering'].includes(name))
        for (const [part, of] of Object.entries(value)) expected.set(`${name}.${part}`, of);
      else expected.set(name, value);
    }
    const stated = documented('Circuits');
    expect([...stated.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, value] of expected) {
      if (name === 'trip' || name === 'window') continue; // the README's test has these
      const text = typeof value === 'string' ? `'${value}'` : String(value);
      expect(stated.get(name)?.replaceAll('`', ''), name).toBe(text);
    }
  });

  it('lists the options of a call', async () => {
    const { checkCallOptions } = await import('../../src/guard/call-options.js');
    const options = known(() => checkCallOptions(JSON.parse('{"misspelt": true}')));
    expect([...documented('Calls').keys()].sort()).toEqual(options);
  });
});
