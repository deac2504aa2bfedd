import { execFileSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

/** Where Debian's package has it. */
const EXECUTABLE = process.env.FAILSOFT_CHROMIUM ?? '/usr/bin/chromium';

/** The version of the Chromium of this machine; undefined without one. With FAILSOFT_REQUIRE_SERVICES=1 there must be one. */
export const chromiumVersion: string | undefined = (() => {
  try {
    return execFileSync(EXECUTABLE, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch (error) {
    if (process.env.FAILSOFT_REQUIRE_SERVICES === '1')
      throw new Error(`FAILSOFT_REQUIRE_SERVICES=1, but ${EXECUTABLE} cannot be run`, { cause: error });
    return undefined;
  }
})();

export async function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    // as root there is no sandbox; containers have a small /dev/shm
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--force-color-profile=srgb'],
  });
}
