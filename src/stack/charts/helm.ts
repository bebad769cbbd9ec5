import { mkdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { ClusterTestError } from '../../support/errors.ts'
import { randomId } from '../../support/identity.ts'
import type { RunCommandOptions } from '../../support/run-command.ts'
import { runTool } from '../tools/run-tool.ts'
import type { PostRender } from './post-render.ts'

/** Helm with folders of its own: the user's repositories, plugins and settings are neither used nor changed. */
export interface Helm {
  run(args: readonly string[], options?: HelmRunOptions): Promise<string>
}

export interface HelmRunOptions extends Pick<RunCommandOptions, 'signal' | 'onLine' | 'onChild'> {
  /** Written to standard input: values are neither arguments nor files. */
  readonly input?: string | undefined
  /** How the plugin changes what the chart renders to. */
  readonly postRender?: PostRender | undefined
}

/** The plugin's name, for Helm's option `--post-renderer`. */
export const postRenderer = 'vitest-kubernetes'

/**
 * @param folder private one of the run
 * @throws ClusterTestError `ERR_TOOL_NOT_FOUND` where there is no Helm 4
 */
export async function createHelm(folder: string, signal?: AbortSignal): Promise<Helm> {
  const home = join(folder, 'helm')
  const inherited = Object.keys(process.env).filter((name) => name.startsWith('HELM_') || name === 'KUBECONFIG')
  const env = {
    ...Object.fromEntries(inherited.map((name) => [name, undefined])),
    HELM_CACHE_HOME: join(home, 'cache'),
    HELM_CONFIG_HOME: join(home, 'config'),
    HELM_DATA_HOME: join(home, 'data'),
    // Read only: who is logged in to a private registry stays so.
    HELM_REGISTRY_CONFIG: registryConfig(process.env),
    VITEST_KUBERNETES_NODE: process.execPath,
    VITEST_KUBERNETES_POST_RENDER_SCRIPT: fileURLToPath(
      new URL(`./post-render-process${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
    ),
  }
  const run: Helm['run'] = (args, { input, postRender, ...options } = {}) =>
    runTool('helm', args, 'option `charts`', {
      ...options,
      env: { ...env, ...(postRender && { VITEST_KUBERNETES_POST_RENDER: JSON.stringify(postRender) }) },
      ...(input === undefined ? {} : { input: Readable.from([input]) }),
    })
  const version = (await run(['version', '--template', '{{.Version}}'], { signal })).trim()
  if (!/^v?(?:[4-9]|\d\d)/.test(version))
    throw new ClusterTestError('ERR_TOOL_NOT_FOUND', `Option \`charts\` needs Helm 4, but the one on PATH is ${version}.`, {
      hint: 'Install Helm 4 (https://helm.sh/docs/intro/install). Helm 3 cannot change the images of hooks.',
    })
  const plugin = join(home, 'data/plugins', postRenderer)
  await mkdir(plugin, { recursive: true, mode: 0o700 })
  // Whole at any moment: the Helm of another suite may be reading it.
  const written = join(plugin, `${randomId()}.new`)
  await writeFile(written, JSON.stringify(pluginManifest))
  await rename(written, join(plugin, 'plugin.yaml'))
  return { run }
}

/** Helm splits the command at blanks before it looks for variables. */
const pluginManifest = {
  apiVersion: 'v1',
  type: 'postrenderer/v1',
  name: postRenderer,
  version: '1.0.0',
  runtime: 'subprocess',
  runtimeConfig: {
    platformCommand: [{ command: '${VITEST_KUBERNETES_NODE}', args: ['${VITEST_KUBERNETES_POST_RENDER_SCRIPT}'] }],
  },
}

function registryConfig(env: NodeJS.ProcessEnv): string {
  const fallback = process.platform === 'darwin' ? 'Library/Preferences' : '.config'
  const home = env['HELM_CONFIG_HOME'] ?? join(env['XDG_CONFIG_HOME'] ?? join(homedir(), fallback), 'helm')
  return env['HELM_REGISTRY_CONFIG'] ?? join(home, 'registry/config.json')
}
