import { access } from 'node:fs/promises';
import { chromiumPath } from '@entente/test-support';
import { chromium, type Browser } from 'playwright-core';

/** The system's Chromium, without a window. Says what to install where there is none. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = chromiumPath();
  await access(executablePath).catch((cause: unknown) => {
    throw new Error(
      `the console's tests need Chromium at ${executablePath}: install it (Debian: apt-get install chromium) or name one in ENTENTE_CHROMIUM`,
      { cause },
    );
  });
  // Tests run as root in containers, where Chromium's own sandbox cannot be set up.
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}
