import { existsSync } from 'node:fs'

import { findChromium } from '../../src/testing/find-chromium.ts'
import { installPackages } from './docker-engine.ts'
import type { Kit } from './kit.ts'

/** A Chromium for the test of the report: the one that is there, or Debian's where packages can be installed. */
export async function ensureChromium(kit: Kit): Promise<void> {
  if (findChromium()) return
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    kit.log('No Chromium: the test of the report in a browser is skipped.')
    return
  }
  await kit.step('install Chromium from Debian packages', () => installPackages(kit, ['chromium-headless-shell']))
}
