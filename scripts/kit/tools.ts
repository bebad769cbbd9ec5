import { existsSync } from 'node:fs'
import { chmod, rename } from 'node:fs/promises'
import { join } from 'node:path'

import { goBuild } from './go-build.ts'
import type { Kit } from './kit.ts'
import { moduleVersion } from './module-version.ts'
import { isOnPath } from './on-path.ts'

interface Tool {
  readonly name: string
  readonly module: string
  readonly package: string
  /** What sets the version that the program tells. */
  readonly versionFlag: (version: string) => string
}

const tools: readonly Tool[] = [
  {
    name: 'helm',
    module: 'helm.sh/helm/v4',
    package: 'cmd/helm',
    versionFlag: (version) => `-X helm.sh/helm/v4/internal/version.version=v${version}`,
  },
  {
    name: 'sops',
    module: 'github.com/getsops/sops/v3',
    package: 'cmd/sops',
    versionFlag: (version) => `-X github.com/getsops/sops/v3/version.Version=${version}`,
  },
]

/** Programs that only some stacks need. Resolves with the folders to add to PATH: none for what is there already. */
export async function ensureTools(kit: Kit, nodeImage: string | undefined): Promise<readonly string[]> {
  const folders: string[] = []
  if (nodeImage !== undefined && !(await isOnPath('kubectl'))) folders.push(await copyKubectl(kit, nodeImage))
  for (const tool of tools) if (!(await isOnPath(tool.name))) folders.push(await build(kit, tool))
  return folders
}

async function build(kit: Kit, { name, module, package: path, versionFlag }: Tool): Promise<string> {
  const folder = `fixtures/tools/${name}`
  const version = (await moduleVersion(folder, module)).slice(1)
  const [built] = await goBuild(kit, {
    module: folder,
    packages: [`${module}/${path}`],
    ldflags: versionFlag(version),
  })
  return built
}

/** The node's binary of all Kubernetes programs is kubectl as well, by its name. */
async function copyKubectl(kit: Kit, nodeImage: string): Promise<string> {
  const folder = join(kit.cache, 'bin', `kubectl-${nodeImage.split(':').at(-1)}`)
  if (existsSync(folder)) return folder
  await kit.step('copy kubectl from the node image', async () => {
    const unfinished = await kit.scratch('kubectl')
    const container = (await kit.run('docker', ['create', nodeImage])).trim()
    try {
      await kit.run('docker', ['cp', `${container}:/usr/local/lib/k3s/kube`, join(unfinished, 'kubectl')])
    } finally {
      await kit.run('docker', ['rm', '--volumes', container])
    }
    await chmod(join(unfinished, 'kubectl'), 0o755)
    await rename(unfinished, folder)
  })
  return folder
}
