import { expect, it, vi } from 'vitest';
import { Attachments } from '../../src/guard/attachments.js';
import { checkGuardOptions } from '../../src/guard/checked-options.js';
import { GuardCore } from '../../src/guard/guard-core.js';
import { METHOD } from '../fallback/support.js';

it('an interceptor keeps a bounded number of methods', () => {
  const core = new GuardCore(checkGuardOptions({}));
  const make = vi.spyOn(core, 'method');
  const { interceptor } = new Attachments(core);
  const real = {} as never; // the call is only made, and never started
  const call = (n: number) =>
    interceptor({ method_definition: { ...METHOD, path: `/a.B/M${n}` } } as never, () => real);
  for (let n = 0; n < 1_000; n++) call(n);
  expect(make).toHaveBeenCalledTimes(1_000);
  call(1_000); // the kept methods are dropped
  call(0);
  expect(make).toHaveBeenCalledTimes(1_002);
  call(0);
  expect(make).toHaveBeenCalledTimes(1_002);
  core.close();
});
