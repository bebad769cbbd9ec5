import { resolve } from 'node:path'

import { ClusterTestError } from '../../support/errors.ts'
import { folderExists } from '../../support/folder-exists.ts'
import { CommandError } from '../../support/run-command.ts'
import { runTool } from '../tools/run-tool.ts'
import { noteDanglingNames } from './dangling-names.ts'
import { type Manifest, parseManifests } from './manifests.ts'
import { refuseUrl } from './refuse-url.ts'

/**
 * Renders overlays by `kubectl kustomize`.
 * @throws ClusterTestError `ERR_MANIFEST_NOT_FOUND` for a folder that is not there, `ERR_KUSTOMIZE_FAILED` with Kustomize's words
 */
export async function renderKustomize(
  overlays: string | readonly string[] = [],
  folder: string,
  signal?: AbortSignal,
): Promise<readonly Manifest[]> {
  const rendered = await Promise.all([overlays].flat().map((overlay) => render(overlay, folder, signal)))
  return rendered.flat()
}

async function render(overlay: string, folder: string, signal: AbortSignal | undefined): Promise<readonly Manifest[]> {
  refuseUrl(overlay, 'kustomize')
  const path = resolve(folder, overlay)
  if (!(await folderExists(path)))
    throw new ClusterTestError(
      'ERR_MANIFEST_NOT_FOUND',
      `Folder "${overlay}" in option \`kustomize\` does not exist: looked at "${path}".`,
      {
        hint: 'Name the folder of the kustomization.yaml, relative to the test file.',
      },
    )
  try {
    const yaml = await runTool('kubectl', ['kustomize', path], 'option `kustomize`', { signal })
    return noteDanglingNames(parseManifests(yaml, `kustomize ${overlay}`))
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw new ClusterTestError(
      'ERR_KUSTOMIZE_FAILED',
      `"${overlay}" could not be rendered by "kubectl kustomize": ${error.output
        .trim()
        .replace(/^error: /, '')
        .replaceAll(path, overlay)}`,
      { cause: error },
    )
  }
}
