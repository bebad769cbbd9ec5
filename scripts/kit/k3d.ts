import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { goBuild } from './go-build.ts'
import { CHECKOUT, type Kit } from './kit.ts'
import { isOnPath } from './on-path.ts'

const MODULE = 'github.com/k3d-io/k3d/v5'

/** Resolves with the folder to add to PATH, or with undefined when k3d is on PATH already. */
export async function ensureK3d(kit: Kit): Promise<string | undefined> {
  if (await isOnPath('k3d')) return undefined
  const goMod = await readFile(join(CHECKOUT, 'fixtures/k3d/go.mod'), 'utf8')
  const version = new RegExp(`${MODULE} (v\\S+)`).exec(goMod)?.[1]
  const [folder] = await goBuild(kit, {
    module: 'fixtures/k3d',
    packages: [MODULE],
    ldflags: `-X ${MODULE}/version.Version=${version}`,
  })
  return folder
}
