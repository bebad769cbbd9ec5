import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import type { KubernetesPluginOptions } from '../plugin/plugin.ts'

const root = new URL('../../', import.meta.url).pathname

export interface TempProject extends AsyncDisposable {
  readonly folder: string
  write(file: string, text: string): Promise<void>
}

/** A project of a user's, with this package in it. */
export async function createTempProject(
  files: Readonly<Record<string, string>>,
  { test = {}, plugin = {} }: { test?: Readonly<Record<string, unknown>>; plugin?: KubernetesPluginOptions } = {},
): Promise<TempProject> {
  const folder = await mkdtemp(join(tmpdir(), 'project-'))
  const write = async (file: string, text: string) => {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text)
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await write('package.json', '{ "type": "module" }')
  await write(
    'vitest.config.ts',
    `import { kubernetes } from '${root}src/plugin/plugin.ts'
export default {
  plugins: [kubernetes(${JSON.stringify(plugin)})],
  resolve: { alias: [{ find: /^vitest-kubernetes$/, replacement: '${root}src/index.ts' }] },
  server: { fs: { strict: false } },
  test: ${JSON.stringify({ include: ['*.test.ts'], testTimeout: 60_000, ...test })},
}
`,
  )
  for (const [file, text] of Object.entries(files)) await write(file, text)
  return { folder, write, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
