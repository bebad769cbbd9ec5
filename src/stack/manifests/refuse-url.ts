import { ClusterTestError } from '../../support/errors.ts'

/** @throws ClusterTestError `ERR_MANIFEST_NOT_FOUND` for what is no path but a URL */
export function refuseUrl(source: string, option: string): void {
  if (!/^[a-z][a-z\d+.-]+:\/\//i.test(source)) return
  throw new ClusterTestError(
    'ERR_MANIFEST_NOT_FOUND',
    `"${source}" of option \`${option}\` is a URL, and only files are read: what a URL holds may change between two runs.`,
    {
      hint:
        option === 'manifests'
          ? 'Download it into the project, or name it as a resource of a kustomization and the folder of that in "kustomize".'
          : 'Download it into the project.',
    },
  )
}
